// `roost lineage …`: what a thing was made of and what became of it, as trees; the devices it leads to; what a device
// has served.

import { type Command, Option } from 'commander'
import type { z } from 'zod'
import { DevicesOf, directions, History, Lineage, type LineageDevice } from '../lineage/documents.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { lineageLines } from './lineage-tree.ts'
import { wholeNumber } from './option-values.ts'
import { table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'

type Options = ConnectionOptions & {
  direction: (typeof directions)[number]
  depth: number
  devices?: boolean
  ever?: boolean
  role?: string
  history?: boolean
}

export function addLineageCommand(program: Command): void {
  connected(program.command('lineage <node>'))
    .description(
      'what a thing was made of and what became of it: dataset:<digest>, dataset:<name>/<number>, run:<id>, ' +
        'version:<model>/<number>, version:<model>@<alias>, evaluation:<id>, approval:<id>, rollout:<id>, device:<id>',
    )
    .addOption(new Option('--direction <which>', 'where to look').choices(directions).default('both'))
    .option('--depth <steps>', 'how far', wholeNumber, 8)
    .option('--devices', 'list the devices that run what comes of it')
    .option('--ever', 'with --devices: also those that have run it')
    .option('--role <role>', 'with --devices: only what a dataset was used for in this role, such as training')
    .option('--history', 'of a device: what it has served, and when')
    .action(async (node: string, options: Options) => {
      if (options.history === true) return printHistory(node, options)
      if (options.devices === true) return printDevices(node, options)
      const { client, output } = connect(options)
      const query = new URLSearchParams({ node, direction: options.direction, depth: String(options.depth) })
      const found = await client.get(`/v1/lineage?${query}`, Lineage)
      output.print(found, lineageLines(found))
    })
}

async function printDevices(node: string, options: Options): Promise<void> {
  const { client, output } = connect(options)
  const query = new URLSearchParams({
    node,
    state: options.ever === true ? 'ever' : 'running',
    ...(options.role === undefined ? {} : { role: options.role }),
  })
  let first: z.infer<typeof DevicesOf> | undefined
  const listed = await readPages(client, `/v1/lineage/devices?${query}`, DevicesOf, (page) => {
    first ??= page
    return page.devices
  })
  const rows = listed.items.map((row: z.infer<typeof LineageDevice>) => [
    row.device,
    row.deployment,
    row.version,
    row.variant,
    row.running ? 'running' : row.state,
    row.since === null ? '' : time(Date.parse(row.since)),
  ])
  const { counts = { running: 0, ever: 0 }, versions = [], versionsCut = false } = first ?? {}
  output.print({ node, versions, versionsCut, counts, devices: listed.items }, [
    `${versions.length}${versionsCut ? ' or more' : ''} versions: ${versions.slice(0, 10).join(', ')}${versions.length > 10 ? ', …' : ''}`,
    `${counts.running} devices run one of them, ${counts.ever} have`,
    ...table(['device', 'deployment', 'version', 'variant', 'state', 'since'], rows),
    ...andMore(listed, 'GET /v1/lineage/devices has all'),
  ])
}

async function printHistory(node: string, options: Options): Promise<void> {
  const { client, output } = connect(options)
  const [kind, device = ''] = node.split(':')
  if (kind !== 'device') throw new Error('only devices have a history: roost lineage device:<id> --history')
  const found = await client.get(`/v1/lineage/devices/${encodeURIComponent(device)}/history`, History)
  const rows = found.services.map((row) => [
    time(Date.parse(row.from)),
    row.to === null ? '' : time(Date.parse(row.to)),
    row.deployment,
    row.version ?? row.manifest,
    row.variant,
    row.ended ?? (row.source === 'record' ? 'its events have expired' : 'serves'),
  ])
  output.print(found, table(['from', 'to', 'deployment', 'version', 'variant', 'end'], rows))
}
