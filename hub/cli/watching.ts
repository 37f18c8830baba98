// `roost drift`, `roost telemetry`, `roost events` and `roost status`: what the devices saw.

import { measureNames, measures } from '@roost/shared/drift/measures.ts'
import { Argument, type Command } from 'commander'
import { z } from 'zod'
import { DriftReport } from '../telemetry/drift/report.ts'
import { StoredEvent } from '../telemetry/events.ts'
import { VersionMetric } from '../telemetry/metrics.ts'
import { VersionTotals } from '../telemetry/windows.ts'
import { counted } from '../wording.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { Devices } from './fleet.ts'
import { Models } from './models.ts'
import { wholeNumber } from './option-values.ts'
import { figure, table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'
import { Rollouts } from './rollouts.ts'

const kinds = ['device', 'group', 'model'] as const
const Events = z.object({ events: z.array(StoredEvent), next: z.string().nullable() })
/** The newest, as far as one screen goes. */
const rolloutsInStatus = 10
type Kind = (typeof kinds)[number]

const ofKind = () => new Argument('<kind>').choices([...kinds])

const driftExamples = `
Examples:
  $ roost drift model motes
  $ roost drift device gw-7 --json`

export function addWatchingCommands(program: Command): void {
  connected(program.command('status'))
    .description('the fleet in a few lines')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const devices = await readPages(client, '/v1/devices', Devices, (page) => page.devices)
      const models = await readPages(client, '/v1/models', Models, (page) => page.models)
      const rollouts = await readPages(client, '/v1/rollouts', Rollouts, (page) => page.rollouts, rolloutsInStatus)
      const there = devices.items.filter(({ connected }) => connected).length
      const stale = devices.items.filter(({ stale }) => stale === true).length
      output.print({ devices: devices.items, models: models.items, rollouts: rollouts.items }, [
        `${devices.more ? `${devices.items.length} or more devices` : counted(devices.items.length, 'device')}, ${there} connected, ${stale} stale`,
        `${counted(models.items.length, 'model')}: ${models.items.map(({ name, latestVersion }) => `${name} ${latestVersion}`).join(', ')}`,
        ...rollouts.items.map(
          (row) => `${row.id}  ${row.model} ${row.version} to ${row.group}: ${row.state}, ${row.reason}`,
        ),
        ...(rollouts.more ? ['older rollouts: roost rollout list'] : []),
      ])
    })
  connected(program.command('drift').addArgument(ofKind()).argument('<name>'))
    .description('whether the data of a device, group or model has drifted, and what moved')
    .addHelpText('after', driftExamples)
    .action(async (kind: Kind, name: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const report = await client.get(`${pathOf(kind, name)}/drift`, DriftReport)
      output.print(report, driftLines(report))
    })
  connected(program.command('telemetry').addArgument(ofKind()).argument('<name>'))
    .description('counts of a device, group or model by version')
    .action(async (kind: Kind, name: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const found = await client.get(
        `${pathOf(kind, name)}/telemetry?limit=1`,
        z.looseObject({ versions: z.array(VersionTotals), metrics: z.array(VersionMetric) }),
      )
      output.print(found, [...telemetryLines(found.versions), ...metricLines(found.metrics)])
    })
  connected(program.command('events <device>'))
    .description('what happened on a device, newest first')
    .option('--limit <number>', 'how many', wholeNumber, 50)
    .action(async (device: string, options: ConnectionOptions & { limit: number }) => {
      const { client, output } = connect(options)
      const path = `${pathOf('device', device)}/events`
      const listed = await readPages(client, path, Events, ({ events }) => events, options.limit)
      const rows = listed.items.map(({ at, event, body }) => [time(Date.parse(at)), event, wordsOf(body)])
      output.print({ events: listed.items }, [
        ...table(['at (its clock)', 'event', 'what'], rows),
        ...andMore(listed, 'older ones with --limit'),
      ])
    })
}

/** What the other two columns do not say already. */
const wordsOf = ({ kind: _kind, event: _event, at: _at, ...rest }: Record<string, unknown>) =>
  Object.entries(rest)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')

const pathOf = (kind: Kind, name: string): string => `/v1/${kind}s/${encodeURIComponent(name)}`

function driftLines({ verdict, columns, ...report }: z.infer<typeof DriftReport>): string[] {
  const figure = (value: number | null) => (value === null ? '' : value.toFixed(3))
  return [
    `${report.model} ${report.version} on ${counted(report.devices, 'device')}, ${counted(report.windows, 'window')}: ${verdict.state}` +
      (verdict.since === null ? '' : ` since ${time(verdict.since)}`),
    ...verdict.movements.map(
      (moved) =>
        `  ${moved.column}: ${moved.chart} ${moved.direction} by ${moved.size.toFixed(1)} sd (${Math.round(moved.share * 100)} % of the evidence)`,
    ),
    '',
    ...table(
      ['column', 'kind', ...measureNames.map((name) => measures[name].title)],
      columns.map((row) => [row.column, row.kind, ...measureNames.map((name) => figure(row[name]))]),
    ),
  ]
}

const metricLines = (metrics: readonly VersionMetric[]): string[] =>
  metrics.length === 0
    ? []
    : [
        '',
        ...table(
          ['model', 'version', 'deployment', 'metric', 'devices', 'count', 'mean', 'min', 'max'],
          metrics.map(({ model, version, deployment, name, devices, count, sum, min, max }) => [
            model,
            version,
            deployment,
            name,
            devices,
            count,
            figure(sum / count),
            figure(min),
            figure(max),
          ]),
        ),
      ]

const telemetryLines = (versions: readonly z.infer<typeof VersionTotals>[]): string[] =>
  table(
    ['model', 'version', 'deployment', 'devices', 'ok', 'error', 'refused', 'true+', 'false+', 'true-', 'false-'],
    versions.map((row) => [
      row.model,
      row.version,
      row.deployment,
      row.devices,
      row.ok,
      row.error,
      row.refused,
      row.truePositive,
      row.falsePositive,
      row.trueNegative,
      row.falseNegative,
    ]),
  )
