// Events to a receiver over real HTTP: each at least once and in order, through refusals, cuts, restarts and silence;
// the token goes to the receiver and nowhere else.

import { once } from 'node:events'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { pino } from 'pino'
import { Registry } from 'prom-client'
import { afterEach, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../../hub/config.ts'
import { deliverForever } from '../../../hub/lineage/openlineage/delivery.ts'
import { tellerOf } from '../../../hub/lineage/openlineage/routes.ts'
import type { TestHub } from '../a-hub.ts'
import { aHistory, version } from './a-history.ts'

const secret = 'ol-secret-91fe'
const pace = { pollMs: 5, retryMs: 2, retryMsMax: 20, timeoutMs: 30_000 }
/** Where a receiver falls silent: one that is only slow may time out too, and what it took comes again. */
const impatient = { ...pace, timeoutMs: 1_000 }
const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

type Answer = number | 'cut' | 'silence' | 'redirect'
type Receiver = { url: string; seqs: number[]; tokens: Set<string | undefined>; paths: Set<string | undefined> }

/** Takes what `answer` answers with 2xx; `nth` counts requests from 0. */
async function aReceiver(answer: (nth: number, seq: number) => Answer = () => 201): Promise<Receiver> {
  const receiver: Receiver = { url: '', seqs: [], tokens: new Set(), paths: new Set() }
  let requests = 0
  const server = createServer((request, response) => {
    void take(request, response)
  })
  const take = async (request: IncomingMessage, response: ServerResponse) => {
    const body = Buffer.concat(await Array.fromAsync(request, (piece) => Buffer.from(piece)))
    receiver.tokens.add(request.headers.authorization)
    receiver.paths.add(request.url)
    const seq = Told.parse(JSON.parse(body.toString())).run.facets.roost_node.seq
    const answered = answer(requests, seq)
    requests += 1
    if (answered === 'silence') return
    if (answered === 'cut') return request.socket.destroy()
    if (answered === 'redirect') return response.writeHead(307, { location: `${receiver.url}/elsewhere` }).end()
    if (answered < 300) receiver.seqs.push(seq)
    response.writeHead(answered).end('x'.repeat(10_000))
  }
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  // a server over TCP has an address and a port
  receiver.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/api/v1/lineage`
  closing.push(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return receiver
}

const Told = z.looseObject({
  run: z.looseObject({ facets: z.looseObject({ roost_node: z.looseObject({ seq: z.number() }) }) }),
})

type Delivering = { stop(): Promise<void>; log: string[]; metrics: Registry }

/** As a process would: its metrics and its end are its own. */
function deliver(hub: TestHub, url: string, how = pace): Delivering {
  const stopping = new AbortController()
  const log: string[] = []
  const metrics = new Registry()
  const parts = {
    ...hub,
    metrics,
    stopping: stopping.signal,
    log: pino({ level: 'trace' }, { write: (line: string) => void log.push(line) }),
  }
  const ended = deliverForever(parts, { url, token: secret }, tellerOf(hub.config), how)
  const stop = async () => {
    stopping.abort()
    await ended
  }
  closing.push(stop)
  return { stop, log, metrics }
}

const allSeqs = async (hub: TestHub) =>
  (await hub.database.all(z.object({ seq: z.number() }), 'SELECT seq FROM lineage_events ORDER BY seq')).map(
    ({ seq }) => seq,
  )

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await delay(5)
}

test('everything arrives once and in order, then what happens afterwards', async () => {
  await using hub = await aHistory()
  const receiver = await aReceiver()
  const { stop, log } = deliver(hub, receiver.url)
  await until(() => receiver.seqs.length === 11)
  await hub.database.write(version('late', 1))
  await until(() => receiver.seqs.length === 13)
  await stop()
  expect(receiver.seqs).toEqual(await allSeqs(hub))
  expect([...receiver.tokens]).toEqual([`Bearer ${secret}`])
  expect(log).toEqual([])
})

test('a receiver that fails, cuts, falls silent or sends elsewhere gets everything all the same', async () => {
  await using hub = await aHistory()
  const faults: Answer[] = [500, 'cut', 503, 429, 'silence', 401, 404, 'redirect', 302]
  const receiver = await aReceiver((nth) => (nth % 2 === 0 ? (faults[nth / 2] ?? 200) : 200))
  const { stop, log, metrics } = deliver(hub, receiver.url, impatient)
  await until(() => new Set(receiver.seqs).size === 11)
  await stop()
  expect([...new Set(receiver.seqs)]).toEqual(await allSeqs(hub))
  expect([...receiver.paths]).toEqual(['/api/v1/lineage'])
  expect(log.length).toBeGreaterThanOrEqual(faults.length)
  expect(log.join('')).not.toContain(secret)
  expect(log.join('')).not.toContain('/api/v1/lineage')
  expect(await metrics.metrics()).toMatch(/roost_openlineage_events_total\{outcome="failed"\} [1-9]/)
})

test('an event that the receiver will never take is passed, and said', async () => {
  await using hub = await aHistory()
  const all = await allSeqs(hub)
  const receiver = await aReceiver((_, seq) => (seq === all[3] ? 422 : 200))
  const { stop, log } = deliver(hub, receiver.url)
  await until(() => receiver.seqs.length === all.length - 1)
  await stop()
  expect(receiver.seqs).toEqual(all.filter((seq) => seq !== all[3]))
  expect(
    log.map((line) => z.looseObject({ seq: z.number(), status: z.number() }).parse(JSON.parse(line))),
  ).toMatchObject([{ seq: all[3], status: 422 }])
})

test('restarts lose nothing, and repeat at most what was on its way', async () => {
  await using hub = await aHistory()
  await hub.database.write(Array.from({ length: 100 }, (_, i) => version('many', i + 1)).flat())
  const all = await allSeqs(hub)
  const receiver = await aReceiver((nth) => (nth % 7 === 6 ? 500 : 200))
  const restarts = 8
  for (let i = 0; i < restarts; i += 1) {
    const { stop } = deliver(hub, receiver.url)
    const goal = receiver.seqs.length + 12
    await until(() => receiver.seqs.length >= goal)
    await stop()
  }
  const last = deliver(hub, receiver.url)
  await until(() => receiver.seqs.includes(all.at(-1) ?? 0))
  await last.stop()
  expect([...new Set(receiver.seqs)].sort((a, b) => a - b)).toEqual(all)
  // stopped in order, it writes down how far it was: only the request that was cut off comes again
  expect(receiver.seqs.length - all.length).toBeLessThanOrEqual(restarts)
})

test('each receiver is told everything; the address is kept as a hash only', async () => {
  await using hub = await aHistory()
  const first = await aReceiver()
  const second = await aReceiver()
  for (const { url, seqs } of [first, second]) {
    const { stop } = deliver(hub, url)
    await until(() => seqs.length === 11)
    await stop()
  }
  const rows = await hub.database.all(z.object({ receiver: z.string() }), 'SELECT receiver FROM lineage_receivers')
  expect(rows).toHaveLength(2)
  for (const { receiver } of rows) expect(receiver).toMatch(/^[0-9a-f]{64}$/)
})

test('settings: an address with a password is refused, and a bad token is not repeated', () => {
  const url = `http://ann:${secret}@receiver.test/`
  expect(() => readConfig({ ROOST_OPENLINEAGE_URL: url })).toThrow('without user and password')
  expect(() => readConfig({ ROOST_OPENLINEAGE_URL: 'ftp://receiver.test/' })).toThrow('ROOST_OPENLINEAGE_URL')
  try {
    readConfig({ ROOST_OPENLINEAGE_URL: url, ROOST_OPENLINEAGE_TOKEN: `${secret}${'x'.repeat(5_000)}` })
  } catch (error) {
    expect(String(error)).toContain('ROOST_OPENLINEAGE_TOKEN')
    expect(String(error)).not.toContain(secret)
  }
  expect.assertions(4)
})
