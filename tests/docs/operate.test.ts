// docs/operate.md held against the code: bounds, ports, metrics, how long things are kept, what lies in the data folder.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { messageBytesMax } from '@roost/shared/protocol/messages.ts'
import { expect, test } from 'vitest'
import { settings as agentSettings } from '../../agent/config.ts'
import { bodyBytesMax } from '../../hub/app.ts'
import { readConfig } from '../../hub/config.ts'
import { queuedMax } from '../../hub/evaluation/evaluations.ts'
import { brokerLimits } from '../../hub/fleet/broker.ts'
import { deploymentsMax } from '../../hub/fleet/desired.ts'
import { helloEveryMs, hellosAtOnceMax } from '../../hub/fleet/session.ts'
import { registrationsMax } from '../../hub/registry/turns.ts'
import { writesQueuedMax } from '../../hub/storage/database.ts'
import { batchesWaitingMax, bytesWaitingMax } from '../../hub/telemetry/ingest.ts'
import { codeIn, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const page = readFileSync(join(root, 'docs/operate.md'), 'utf8')
const rowsUnder = (heading: string) =>
  readSections(page).find((section) => section.heading === heading)?.tables[0]?.rows ?? []
const count = (value: number) => value.toLocaleString('en-US')
const mebibytes = (bytes: number) => `${bytes / 1_048_576} MiB`
const config = readConfig({})
const days = (ms: number) => ms / 86_400_000

test('every bound is the one in the code', () => {
  const {
    connectionsMax,
    connectionsPerAddressMax,
    unacceptedMax,
    unacceptedPerAddressMax,
    connectTimeoutMs,
    backlogBytesMax,
    drainTimeoutMs,
  } = brokerLimits
  expect(rowsUnder('Bounds').map(([what, most]) => [what, most])).toEqual([
    [
      'connections to the broker',
      `${count(connectionsMax)}, of them ${count(connectionsPerAddressMax)} from one address`,
    ],
    [
      'connections that have not logged in',
      `${count(unacceptedMax)}, of them ${unacceptedPerAddressMax} from one address, ${connectTimeoutMs / 1000} seconds`,
    ],
    ['hellos of one device', `${hellosAtOnceMax} at once, one more each ${helloEveryMs === 1_000 ? 'second' : '?'}`],
    ['an MQTT message', mebibytes(messageBytesMax)],
    ['what waits for a slow device', `${mebibytes(backlogBytesMax)}, ${drainTimeoutMs / 1000} seconds`],
    ['reports that wait for the database', `${count(batchesWaitingMax)} batches, ${mebibytes(bytesWaitingMax)}`],
    ['writes that wait for the database', count(writesQueuedMax)],
    ['a request that is no upload', mebibytes(bodyBytesMax)],
    ['a model file', `\`ROOST_UPLOAD_BYTES_MAX\`, ${mebibytes(config.uploadBytesMax)}`],
    ['registrations under way', String(registrationsMax)],
    ['evaluations that wait', String(queuedMax)],
    ['deployments of a device', String(deploymentsMax)],
    ['window reports, events', `${days(config.windowsKeptMs)} and ${days(config.eventsKeptMs)} days`],
    ['blobs that nothing names', 'a day'],
    ['a full disk', ''],
  ])
})

test('the ports are those that are listened on', () => {
  const served = agentSettings['serve-port'].schema.parse(undefined)
  expect(rowsUnder('Ports').map(([port]) => Number.parseInt(port ?? '', 10))).toEqual([
    config.httpPort,
    config.mqttPort,
    config.mqttWsPort,
    served,
  ])
})

test('every metric of the hub is there, and no other of its name', () => {
  const sources = readdirSync(join(root, 'hub'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts') && !name.startsWith('node_modules'))
    .map((name) => readFileSync(join(root, 'hub', name), 'utf8'))
  const inCode = sources.flatMap((source) => [...source.matchAll(/name: '(roost_\w+)'/g)].map(([, name]) => name ?? ''))
  const written = rowsUnder('What to watch').flatMap(([name]) => codeIn(name))
  expect(written.filter((name) => name.startsWith('roost_')).sort()).toEqual(inCode.sort())
})
