// `roost rollout start` and its dry run, `roost rollout plan`.

import { type Command, InvalidArgumentError } from 'commander'
import { RolloutDetail } from '../rollouts/documents.ts'
import { Preview } from '../rollouts/plan/preview.ts'
import { RolloutId } from '../rollouts/plan/rollout-id.ts'
import type { Client } from './client.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { versionReference, wholeNumber } from './option-values.ts'
import { readPlanFile } from './plan-file.ts'
import { previewLines, warningLines } from './preview-lines.ts'
import { detailLines } from './rollout-lines.ts'
import { versionNumber } from './version-number.ts'
import { patience, type WatchOptions, watch, watching } from './watch.ts'

type Wanted = { group: string; deployment?: string; plan?: string; supersede?: boolean; as?: string }
type StartOptions = WatchOptions & Wanted & { draft?: boolean; watch?: boolean }
type PlanOptions = ConnectionOptions & Wanted & { devices: number }

export function addStart(rollout: Command): void {
  wanting(rollout.command('start <model>'))
    .description('start a rollout')
    .option('--draft', 'write it down only; `roost rollout begin` starts it')
    .addOption(watching())
    .addOption(patience())
    .addHelpText('after', startExamples)
    .action(async (model: string, version: string, options: StartOptions) => {
      const { client, output } = connect(options)
      const body = {
        ...(await bodyOf(client, model, version, options)),
        ...(options.draft === true ? { draft: true } : {}),
      }
      const started = await client.send('POST', '/v1/rollouts', body, RolloutDetail)
      output.print(started, [...detailLines(started), ...warningLines(started.warnings)])
      if (options.watch === true) await watch(client, started.id, options)
    })
}

const startExamples = `
Examples:
  $ roost rollout start motes @champion --group everywhere --watch
  $ roost rollout start motes 7 --group north --plan canary.yaml --draft`

export function addPlan(rollout: Command): void {
  wanting(rollout.command('plan <model>'))
    .description(
      'what a rollout would be: who in which stage and why, how long, how many bytes, what its gates could see',
    )
    .option('--dry-run', 'as it always is: nothing is stored')
    .option('--devices <number>', 'so many devices are listed', wholeNumber, 20)
    .action(async (model: string, version: string, options: PlanOptions) => {
      const { client, output } = connect(options)
      const preview = await client.send(
        'POST',
        '/v1/rollouts/plan',
        await bodyOf(client, model, version, options),
        Preview,
      )
      output.print(preview, previewLines(preview, options.devices))
    })
}

/** What both take. */
const wanting = (command: Command): Command =>
  connected(command)
    .argument('<version>', 'its number or @alias', versionReference)
    .requiredOption('--group <name>', 'the group; its members are frozen when the rollout starts')
    .option('--deployment <name>', 'the deployment on the devices (the name of the model)')
    .option('--plan <file>', 'YAML or JSON: stages, gates, limits (a plan by the number of devices, where left out)')
    .option('--supersede', 'take over devices that another rollout holds')
    .option('--as <id>', 'with the draw that a dry run of this id showed', rolloutId)

function rolloutId(text: string): string {
  if (!RolloutId.safeParse(text).success)
    throw new InvalidArgumentError('give the id that `roost rollout plan` printed')
  return text
}

const bodyOf = async (
  client: Client,
  model: string,
  version: string,
  { group, deployment, plan, supersede, as }: Wanted,
) => ({
  model,
  version: await versionNumber(client, model, version),
  group,
  ...(as === undefined ? {} : { id: as }),
  ...(deployment === undefined ? {} : { deployment }),
  ...(plan === undefined ? {} : { plan: await readPlanFile(plan) }),
  ...(supersede === true ? { supersede: true } : {}),
})
