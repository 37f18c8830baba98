#!/usr/bin/env node
// The `roost` command.

import { Command } from 'commander'
import { z } from 'zod'
import hub from '../package.json' with { type: 'json' }
import { addFleetCommands } from './fleet.ts'
import { runHub } from './hub.ts'
import { addModelCommands } from './models.ts'
import { addRolloutCommands } from './rollouts.ts'
import { addTokenCommands } from './tokens.ts'
import { addWatchingCommands } from './watching.ts'

const program = new Command('roost').description('ships ONNX models to fleets of edge devices').version(hub.version)
program
  .command('hub')
  .description('run the hub; settings are ROOST_* variables')
  .option('--new-admin-token', 'print a new admin token, for one who lost theirs')
  .action((options: { newAdminToken?: boolean }) => runHub(options))
addModelCommands(program)
addTokenCommands(program)
addFleetCommands(program)
addRolloutCommands(program)
addWatchingCommands(program)

try {
  await program.parseAsync()
} catch (error) {
  if (!(error instanceof Error)) throw error
  process.stderr.write(`roost: ${sentenceOf(error)}\n`)
  process.exitCode = 1
}

function sentenceOf(error: Error): string {
  if (error instanceof z.ZodError) {
    return `the hub answered in a way this version does not know: ${z.prettifyError(error)}`
  }
  return error.message
}
