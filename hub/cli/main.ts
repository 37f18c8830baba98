#!/usr/bin/env node
// The `roost` command.

import { z } from 'zod'
import { RequestError } from './client.ts'
import { awayStatuses, exitCodeOf, exitCodes } from './exit-codes.ts'
import { legible } from './output.ts'
import { roostCommand } from './program.ts'

try {
  const program = await roostCommand(process.argv[2])
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof Error)) throw error
  process.stderr.write(`roost: ${legible(sentenceOf(error))}\n`)
  const next = error instanceof RequestError ? nextStep(error.status) : undefined
  if (next !== undefined) process.stderr.write(`    -> ${next}\n`)
  process.exitCode = error instanceof RequestError ? exitCodeOf(error.status) : exitCodes.refused
}

/** Where what the hub says is not already what to do. */
function nextStep(status: number): string | undefined {
  if (awayStatuses.has(status)) return 'roost doctor finds out why'
  if (status === 401) return 'roost login stores a token that the hub knows'
  if (status === 403) return 'an admin makes a token that may: roost token create --help'
  return status === 412 ? 'read it again, and do it with the revision that it has now' : undefined
}

function sentenceOf(error: Error): string {
  if (error instanceof z.ZodError) {
    return `the hub answered in a way this version does not know: ${z.prettifyError(error)}`
  }
  return fileSentence(error) ?? error.message
}

/** What the operating system says of a file, without its function names; undefined for other errors. */
function fileSentence(error: Error): string | undefined {
  const known = z
    .object({ code: z.enum(['ENOENT', 'EACCES', 'EPERM', 'ENOTDIR', 'EISDIR']), path: z.string() })
    .safeParse(error)
  if (!known.success) return undefined
  const { code, path } = known.data
  const reasons = {
    ENOENT: 'no such file or folder',
    ENOTDIR: 'no such file or folder',
    EISDIR: 'it is a folder',
    EACCES: 'not permitted',
    EPERM: 'not permitted',
  }
  return `${path} cannot be opened: ${reasons[code]}`
}
