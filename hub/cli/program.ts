// All commands of `roost`. What a command is made of is loaded only where it is asked for: most of a short command's time
// is its start.

import { Command } from 'commander'
import hub from '../package.json' with { type: 'json' }
import { addExamples } from './examples.ts'
import { runHub } from './hub.ts'

type Add = (program: Command) => void
/** `names`: of its commands, and what else they are called. */
type Group = { names: readonly string[]; load: () => Promise<Add> }

/** In the order of the help. */
const groups: readonly Group[] = [
  { names: ['hub'], load: async () => addHubCommand },
  { names: ['init'], load: async () => (await import('./init.ts')).addInitCommand },
  {
    names: ['login', 'logout', 'context', 'contexts'],
    load: async () => (await import('./contexts/commands.ts')).addContextCommands,
  },
  { names: ['model', 'models', 'push', 'sign'], load: async () => (await import('./models.ts')).addModelCommands },
  { names: ['datasets'], load: async () => (await import('./datasets.ts')).addDatasetCommands },
  { names: ['evaluate'], load: async () => (await import('./evaluate.ts')).addEvaluateCommand },
  { names: ['explain'], load: async () => (await import('./explain.ts')).addExplainCommand },
  { names: ['token', 'tokens', 'claim', 'claims'], load: async () => (await import('./tokens.ts')).addTokenCommands },
  { names: ['audit'], load: async () => (await import('./audit.ts')).addAuditCommands },
  { names: ['keys', 'key'], load: async () => (await import('./keys.ts')).addKeyCommands },
  { names: ['backup', 'backups'], load: async () => (await import('./backups.ts')).addBackupCommands },
  { names: ['device', 'devices', 'group', 'groups'], load: async () => (await import('./fleet.ts')).addFleetCommands },
  { names: ['rollout', 'rollouts'], load: async () => (await import('./rollouts.ts')).addRolloutCommands },
  { names: ['promote', 'approve', 'gates'], load: async () => (await import('./promote.ts')).addPromotionCommands },
  { names: ['runs'], load: async () => (await import('./runs.ts')).addRunCommands },
  {
    names: ['status', 'drift', 'telemetry', 'events'],
    load: async () => (await import('./watching.ts')).addWatchingCommands,
  },
  { names: ['lineage'], load: async () => (await import('./lineage.ts')).addLineageCommand },
  { names: ['simulate'], load: async () => (await import('./simulate.ts')).addSimulateCommand },
  { names: ['doctor'], load: async () => (await import('./doctor/command.ts')).addDoctorCommand },
  // `complete` is not among its names: it completes them all
  { names: ['completion'], load: async () => (await import('./completion/commands.ts')).addCompletionCommands },
]

/** @param asked the first word after `roost`: where it names a command, others may be missing; all where it does not */
export async function roostCommand(asked?: string): Promise<Command> {
  const program = new Command('roost').description('ships ONNX models to fleets of edge devices').version(hub.version)
  const named = groups.filter(({ names }) => asked !== undefined && names.includes(asked))
  const wanted = named.length === 0 ? groups : named
  for (const add of await Promise.all(wanted.map(({ load }) => load()))) add(program)
  addExamples(program)
  return program
}

function addHubCommand(program: Command): void {
  program
    .command('hub')
    .description('run the hub; settings are ROOST_* variables')
    .option('--new-admin-token', 'print a new admin token, for one who lost theirs')
    .action((options: { newAdminToken?: boolean }) => runHub(options))
}
