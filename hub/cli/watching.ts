// `roost drift`, `roost telemetry`, `roost events` and `roost status`: what the devices saw.

import { type Command, InvalidArgumentError } from 'commander'
import { z } from 'zod'
import { DeviceDocument } from '../fleet/documents.ts'
import { ModelDocument } from '../registry/documents.ts'
import { Rollout } from '../rollouts/documents.ts'
import { DriftReport } from '../telemetry/drift.ts'
import { StoredEvent } from '../telemetry/events.ts'
import { VersionTotals } from '../telemetry/windows.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { table, time } from './output.ts'

const kinds = ['device', 'group', 'model'] as const
type Kind = (typeof kinds)[number]

export function addWatchingCommands(program: Command): void {
  connected(program.command('status'))
    .description('the fleet in a few lines')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const { devices } = await client.get('/v1/devices?limit=200', z.object({ devices: z.array(DeviceDocument) }))
      const { models } = await client.get('/v1/models?limit=200', z.object({ models: z.array(ModelDocument) }))
      const { rollouts } = await client.get('/v1/rollouts?limit=10', z.object({ rollouts: z.array(Rollout) }))
      const there = devices.filter(({ connected }) => connected).length
      output.print({ devices, models, rollouts }, [
        `${devices.length}${devices.length === 200 ? ' or more' : ''} devices, ${there} connected, ${devices.filter(({ stale }) => stale === true).length} stale`,
        `${models.length} models: ${models.map(({ name, latestVersion }) => `${name} ${latestVersion}`).join(', ')}`,
        ...rollouts.map((row) => `${row.id}  ${row.model} ${row.version} to ${row.group}: ${row.state}, ${row.reason}`),
      ])
    })
  connected(program.command('drift <kind> <name>'))
    .description('whether the data of a device, group or model has drifted, and what moved')
    .action(async (kind: string, name: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const report = await client.get(`${pathOf(kind, name)}/drift`, DriftReport)
      output.print(report, driftLines(report))
    })
  connected(program.command('telemetry <kind> <name>'))
    .description('counts of a device, group or model by version')
    .action(async (kind: string, name: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const found = await client.get(
        `${pathOf(kind, name)}/telemetry?limit=1`,
        z.looseObject({ versions: z.array(VersionTotals) }),
      )
      output.print(found, telemetryLines(found.versions))
    })
  connected(program.command('events <device>'))
    .description('what happened on a device, newest first')
    .action(async (device: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const page = await client.get(
        `${pathOf('device', device)}/events?limit=50`,
        z.object({ events: z.array(StoredEvent) }),
      )
      const rows = page.events.map(({ at, event, body }) => [time(Date.parse(at)), event, wordsOf(body)])
      output.print(page, table(['at (its clock)', 'event', 'what'], rows))
    })
}

/** What the other two columns do not say already. */
const wordsOf = ({ kind: _kind, event: _event, at: _at, ...rest }: Record<string, unknown>) =>
  Object.entries(rest)
    .map(([name, value]) => `${name} ${typeof value === 'string' ? value : JSON.stringify(value)}`)
    .join(', ')

function pathOf(kind: string, name: string): string {
  const known: Kind | undefined = kinds.find((word) => word === kind)
  if (known === undefined) throw new InvalidArgumentError(`say ${kinds.join(', ')} instead of ${kind}`)
  return `/v1/${known}s/${encodeURIComponent(name)}`
}

function driftLines({ verdict, columns, ...report }: z.infer<typeof DriftReport>): string[] {
  const figure = (value: number | null) => (value === null ? '' : value.toFixed(3))
  return [
    `${report.model} ${report.version} on ${report.devices} devices, ${report.windows} windows: ${verdict.state}` +
      (verdict.since === null ? '' : ` since ${time(verdict.since)}`),
    ...verdict.movements.map(
      (moved) =>
        `  ${moved.column}: ${moved.chart} ${moved.direction} by ${moved.size.toFixed(1)} sd (${Math.round(moved.share * 100)} % of the evidence)`,
    ),
    '',
    ...table(
      ['column', 'kind', 'PSI', 'Jensen-Shannon', 'KS', 'Wasserstein'],
      columns.map((row) => [
        row.column,
        row.kind,
        figure(row.psi),
        figure(row.jensenShannon),
        figure(row.ks),
        figure(row.wasserstein),
      ]),
    ),
  ]
}

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
