// All commands of `roost`.

import { Command } from 'commander'
import hub from '../package.json' with { type: 'json' }
import { addAuditCommands } from './audit.ts'
import { addBackupCommands } from './backups.ts'
import { addCompletionCommands } from './completion/commands.ts'
import { addContextCommands } from './contexts/commands.ts'
import { addDatasetCommands } from './datasets.ts'
import { addDoctorCommand } from './doctor/command.ts'
import { addEvaluateCommand } from './evaluate.ts'
import { addExamples } from './examples.ts'
import { addExplainCommand } from './explain.ts'
import { addFleetCommands } from './fleet.ts'
import { runHub } from './hub.ts'
import { addInitCommand } from './init.ts'
import { addKeyCommands } from './keys.ts'
import { addLineageCommand } from './lineage.ts'
import { addModelCommands } from './models.ts'
import { addPromotionCommands } from './promote.ts'
import { addRolloutCommands } from './rollouts.ts'
import { addRunCommands } from './runs.ts'
import { addSimulateCommand } from './simulate.ts'
import { addTokenCommands } from './tokens.ts'
import { addWatchingCommands } from './watching.ts'

export function roostCommand(): Command {
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
  addKeyCommands(program)
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
  addExamples(program)
  return program
}
