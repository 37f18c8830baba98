// `roost device …` and `roost group …`: who is in the fleet, what is wanted there, what is said there.

import type { Command } from 'commander'
import { z } from 'zod'
import { DeviceDetail, DeviceDocument, GroupDocument } from '../fleet/documents.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { label, versionReference } from './option-values.ts'
import { labelWords, table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'
import { versionNumber } from './version-number.ts'

export const Devices = z.object({ devices: z.array(DeviceDocument), next: z.string().nullable() })
const Groups = z.object({ groups: z.array(GroupDocument), next: z.string().nullable() })
const Nothing = z.undefined()

export function addFleetCommands(program: Command): void {
  addDeviceCommands(program.command('device').alias('devices').description('the devices of the fleet'))
  addGroupCommands(program.command('group').alias('groups').description('groups: label queries with a name'))
}

const listExamples = `
Examples:
  $ roost devices list --query 'site = north'
  $ roost devices list --json`

function addDeviceCommands(device: Command): void {
  connected(device.command('list'))
    .description('devices, by id')
    .option('--query <query>', 'only those a label query holds for, e.g. site = north')
    .addHelpText('after', listExamples)
    .action(async (options: ConnectionOptions & { query?: string }) => {
      const { client, output } = connect(options)
      const query = options.query === undefined ? '' : `?query=${encodeURIComponent(options.query)}`
      const listed = await readPages(client, `/v1/devices${query}`, Devices, ({ devices }) => devices)
      output.print({ devices: listed.items }, [
        ...deviceTable(listed.items),
        ...andMore(listed, 'narrow it with --query'),
      ])
    })
  connected(device.command('show <id>'))
    .description('one device: what is wanted there, and what it reports')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const found = await client.get(`/v1/devices/${encodeURIComponent(id)}`, DeviceDetail)
      output.print(found, detailLines(found))
    })
  connected(device.command('label <id>'))
    .description('set labels; an empty value removes one')
    .requiredOption('--set <key=value>', 'may be repeated', label)
    .action(async (id: string, options: ConnectionOptions & { set: Record<string, string> }) => {
      const { client, output } = connect(options)
      const labels = Object.fromEntries(
        Object.entries(options.set).map(([key, value]) => [key, value === '' ? null : value]),
      )
      const after = await client.send('PATCH', `/v1/devices/${encodeURIComponent(id)}`, { labels }, DeviceDocument)
      output.print(after, deviceTable([after]))
    })
  connected(device.command('run <id> <model>'))
    .argument('<version>', 'its number or @alias', versionReference)
    .description('want a version on one device, outside any rollout')
    .option('--deployment <name>', 'the name of the model where not given')
    .action(
      async (id: string, model: string, reference: string, options: ConnectionOptions & { deployment?: string }) => {
        const { client, output } = connect(options)
        const path = `/v1/devices/${encodeURIComponent(id)}/desired/${options.deployment ?? model}`
        const version = await versionNumber(client, model, reference)
        const after = await client.send('PUT', path, { model, version }, DeviceDetail)
        output.print(after, detailLines(after))
      },
    )
  connected(device.command('retry <id> <deployment>'))
    .description('try once more what the device gave up')
    .action(async (id: string, deployment: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const path = `/v1/devices/${encodeURIComponent(id)}/retry`
      const after = await client.send('POST', path, { deployment }, DeviceDetail)
      output.print(after, detailLines(after))
    })
  connected(device.command('revoke <id>'))
    .description('cut a device off for good')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      await client.send('DELETE', `/v1/devices/${encodeURIComponent(id)}`, undefined, Nothing)
      output.print({ id }, [`${id} is revoked`])
    })
}

function addGroupCommands(group: Command): void {
  connected(group.command('create <name> <query>'))
    .description('name a label query, e.g. "site = north and profile = raspberry-pi-5"')
    .option('--description <text>', 'what it is for', '')
    .action(async (name: string, query: string, options: ConnectionOptions & { description: string }) => {
      const { client, output } = connect(options)
      const body = { name, query, description: options.description }
      const made = await client.send('POST', '/v1/groups', body, GroupDocument)
      output.print(made, [`${made.name}: ${made.query}`])
    })
  connected(group.command('list'))
    .description('all groups')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const listed = await readPages(client, '/v1/groups', Groups, ({ groups }) => groups)
      const rows = listed.items.map((row) => [row.name, row.query, row.description])
      output.print({ groups: listed.items }, [
        ...table(['group', 'query', 'description'], rows),
        ...andMore(listed, 'GET /v1/groups has all'),
      ])
    })
  connected(group.command('show <name>'))
    .description('who is in a group now')
    .action(async (name: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const path = `/v1/groups/${encodeURIComponent(name)}/devices`
      const listed = await readPages(client, path, Devices, ({ devices }) => devices)
      output.print({ devices: listed.items }, [
        ...deviceTable(listed.items),
        ...andMore(listed, 'narrow it with roost device list --query'),
      ])
    })
  connected(group.command('delete <name>'))
    .description('forget a group; its devices stay')
    .action(async (name: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      await client.send('DELETE', `/v1/groups/${encodeURIComponent(name)}`, undefined, Nothing)
      output.print({ name }, [`${name} is gone`])
    })
}

const deviceTable = (devices: readonly z.infer<typeof DeviceDocument>[]): string[] =>
  table(
    ['device', 'profile', 'labels', 'there', 'last seen', 'agent'],
    devices.map((row) => [
      row.id,
      row.profile,
      labelWords(row.labels),
      row.revokedAt !== null ? 'revoked' : row.connected ? 'yes' : 'no',
      row.lastSeenAt === null ? 'never' : time(Date.parse(row.lastSeenAt)),
      row.agent,
    ]),
  )

const versionWords = ({
  model,
  version,
  manifest,
}: {
  model: string | null
  version: number | null
  manifest: string
}) => (model === null ? manifest.slice(0, 12) : `${model} ${version}`)

/** One device: what it is, what is wanted there, what it reports, and why where something went wrong. */
export function detailLines(device: z.infer<typeof DeviceDetail>): string[] {
  return [
    ...deviceTable([device]),
    ...(device.asideUntil === null
      ? []
      : [`failed three times: no rollout offers it anything until ${time(Date.parse(device.asideUntil))}, or a retry`]),
    '',
    'wanted',
    ...table(
      ['deployment', 'version', 'as', 'attempt', 'by', 'since'],
      device.desired.map((row) => [
        row.deployment,
        versionWords(row),
        row.role,
        row.attempt,
        row.changedBy,
        time(Date.parse(row.changedAt)),
      ]),
    ),
    '',
    'reported',
    ...table(
      ['deployment', 'version', 'attempt', 'state', 'reason', 'serves', 'since'],
      device.reported.map((row) => [
        row.deployment,
        versionWords(row),
        row.attempt,
        row.state,
        [row.reason, row.detail].filter((word) => word !== null).join(': '),
        row.running ? 'yes' : '',
        time(Date.parse(row.changedAt)),
      ]),
    ),
  ]
}
