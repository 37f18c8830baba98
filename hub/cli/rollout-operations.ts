// `roost rollout pause`, `resume`, `approve` and all else that steps in.

import { type Command, Option } from 'commander'
import { RolloutDetail } from '../rollouts/documents.ts'
import { type Operation, operations } from '../rollouts/operate.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { repeated } from './option-values.ts'
import { detailLines } from './rollout-lines.ts'
import { patience, type WatchOptions, watch, watching } from './watch.ts'

type OperationOptions = ConnectionOptions & {
  reason: string
  ifMatch?: string
  stage?: string
  device?: string[]
}

const ifMatch = () =>
  new Option(
    '--if-match <revision>',
    'refuse (exit code 4) if the rollout has changed since it had this; show prints it',
  )

export function addOperations(rollout: Command): void {
  connected(rollout.command('begin <id>'))
    .description('start a draft; its members are frozen now')
    .addOption(ifMatch())
    .addOption(watching())
    .addOption(patience())
    .action(async (id: string, options: OperationOptions & WatchOptions & { watch?: boolean }) => {
      await change(options, `/v1/rollouts/${id}/start`, undefined)
      if (options.watch === true) await watch(connect(options).client, id, options)
    })
  for (const operation of operations) {
    const command = connected(rollout.command(`${operation} <id>`))
      .description(descriptions[operation])
      .option('--reason <text>', 'for the history', '')
      .addOption(ifMatch())
    if (operation === 'rollback') command.option('--stage <name>', 'this stage and those after it (all)')
    if (operation === 'release') command.option('--stage <name>', 'the stage that is meant (the present one)')
    // not the present one by itself: two people at once would pass two
    if (operation === 'advance') command.requiredOption('--stage <name>', 'the stage that is passed')
    if (operation === 'retry') command.option('--device <id>', 'this one (all that failed); may be repeated', repeated)
    command.action(async (id: string, { reason, device, ...options }: OperationOptions) => {
      const stage = options.stage ?? (await presentStage(operation, id, options))
      const body = {
        reason,
        ...(stage === undefined ? {} : { stage }),
        ...(device === undefined ? {} : { devices: device }),
      }
      await change(options, `/v1/rollouts/${id}/${operation}`, body)
    })
  }
}

export function addApprovals(rollout: Command): void {
  for (const decision of ['approve', 'reject'] as const) {
    connected(rollout.command(`${decision} <id>`))
      .description(
        decision === 'approve'
          ? 'say yes to the stage that waits for it; not by who started the rollout'
          : 'say no: a rollout that has not started ends, another pauses',
      )
      .option('--stage <name>', 'the stage that is meant (the one that waits)')
      .option('--reason <text>', 'for the history', '')
      .addOption(ifMatch())
      .action(async (id: string, { reason, stage, ...options }: OperationOptions) => {
        const body = { decision, comment: reason, ...(stage === undefined ? {} : { stage }) }
        await change(options, `/v1/rollouts/${id}/approvals`, body)
      })
  }
}

async function change(
  { ifMatch, ...options }: Omit<OperationOptions, 'reason'>,
  path: string,
  body: unknown,
): Promise<void> {
  const { client, output } = connect(options)
  const headers = ifMatch === undefined ? {} : { 'if-match': `"${ifMatch.replaceAll('"', '')}"` }
  const after = await client.send('POST', path, body, RolloutDetail, headers)
  output.print(after, detailLines(after))
}

/** What release is about, where nobody says it; the hub is told its name, so that it is done once. */
async function presentStage(operation: Operation, id: string, options: ConnectionOptions): Promise<string | undefined> {
  if (operation !== 'release') return undefined
  const { stages } = await connect(options).client.get(`/v1/rollouts/${id}`, RolloutDetail)
  return stages.find(({ state }) => state !== 'passed')?.name
}

const descriptions: Record<Operation, string> = {
  pause: 'stop offering, and withdraw what is not active yet',
  resume: 'go on; the failures so far are acknowledged',
  abort: 'end it; what is active stays',
  rollback: 'bring every device back to what it ran before, or those of a stage',
  release: 'let a stage begin that is held',
  advance: 'pass the present stage whatever its gates say so far; holds after it stand',
  retry: 'offer the version again to devices that failed, were put aside, or refused it',
}
