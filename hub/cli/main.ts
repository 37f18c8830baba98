#!/usr/bin/env node
// The `roost` command.

import { Command } from 'commander'
import { z } from 'zod'
import hub from '../package.json' with { type: 'json' }
import { addAuditCommands } from './audit.ts'
import { addBackupCommands } from './backups.ts'
import { RequestError } from './client.ts'
import { addCompletionCommands } from './completion/commands.ts'
import { addContextCommands } from './contexts/commands.ts'
import { addDatasetCommands } from './datasets.ts'
import { addDoctorCommand } from './doctor/command.ts'
import { addEvaluateCommand } from './evaluate.ts'
import { exitCodeOf, exitCodes } from './exit-codes.ts'
import { addExplainCommand } from './explain.ts'
import { addFleetCommands } from './fleet.ts'
import { runHub } from './hub.ts'
import { addInitCommand } from './init.ts'
import { addLineageCommand } from './lineage.ts'
import { addModelCommands } from './models.ts'
import { addPromotionCommands } from './promote.ts'
import { addRolloutCommands } from './rollouts.ts'
import { addRunCommands } from './runs.ts'
import { addSimulateCommand } from './simulate.ts'
import { addTokenCommands } from './tokens.ts'
import { addWatchingCommands } from './watching.ts'

const program = new Command('roost').description('ships ONNX models to fleets of edge devices').version(hub.version)
program
  .command('hub')
  .description('run the hub; settings are ROOST_* variables')
  .option('--new-admin-token', 'print a new admin token, for one who lost theirs')
  .action((options: { newAdminToken?: boolean }) => runHub(options))
addInitCommand(program)
addContextCommands(program)
addModelCommands(program)
addDatasetCommands(program)
addEvaluateCommand(program)
addExplainCommand(program)
addTokenCommands(program)
addAuditCommands(program)
addBackupCommands(program)
addFleetCommands(program)
addRolloutCommands(program)
addPromotionCommands(program)
addRunCommands(program)
addWatchingCommands(program)
addLineageCommand(program)
addSimulateCommand(program)
addDoctorCommand(program)
addCompletionCommands(program)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof Error)) throw error
  process.stderr.write(`roost: ${sentenceOf(error)}\n`)
  process.exitCode = error instanceof RequestError ? exitCodeOf(error.status) : exitCodes.refused
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
