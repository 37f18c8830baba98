import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { upTopic } from '@roost/shared/protocol/topics.ts'
import fc from 'fast-check'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openDatabase, type Statement } from '../../../hub/storage/database.ts'
import { createIngest, type Ingest } from '../../../hub/telemetry/ingest.ts'
import { totals } from '../../../hub/telemetry/windows.ts'
import { aRecord, aWindow } from '../../builders/windows.ts'
import { aHub, type TestHub } from '../a-hub.ts'
import { aBroker, aClient, connected } from '../fleet/a-broker.ts'

const seed = Number(process.env.SEED ?? 20261124)
console.log(`ingest: seed ${seed}`)
const epoch = '00112233445566aa'

const ingestOf = ({ database, clock, log }: TestHub): Ingest =>
  createIngest({ database, clock, log, onEvent: () => [] })

const inferencesOf = async (hub: TestHub, device: string) => (await totals(hub.database, { devices: [device] })).ok

describe('ingest', () => {
  test('whatever is repeated, reordered or lost on the way, each record counts once and acks never lie', async () => {
    // A device sends runs of its outbox: forward from any record it still holds, any number of times.
    const runs = fc.array(
      fc.record({ from: fc.integer({ min: 1, max: 40 }), count: fc.integer({ min: 1, max: 15 }) }),
      {
        minLength: 1,
        maxLength: 25,
      },
    )
    await fc.assert(
      fc.asyncProperty(runs, async (script) => {
        await using hub = await aHub()
        const ingest = ingestOf(hub)
        let mark = 0
        for (const { from, count } of script) {
          // the device never skips what is not acknowledged
          const start = Math.min(from, mark + 1)
          const records = Array.from({ length: count }, (_, i) => {
            const seq = start + i
            return aRecord(seq, aWindow({ counts: { ok: seq, error: 0, refused: 0 } }))
          })
          mark = Math.max(mark, start + count - 1)
          expect(await ingest.take('d-1', { epoch, records })).toBe(mark)
        }
        expect(await inferencesOf(hub, 'd-1')).toBe((mark * (mark + 1)) / 2)
        // a hub that was restarted knows as much
        expect(await ingestOf(hub).highWaterMark('d-1', epoch)).toBe(mark)
      }),
      { seed, numRuns: 25 },
    )
  })

  test('what follows on a batch that got lost is not taken before that batch', async () => {
    await using hub = await aHub()
    const ingest = ingestOf(hub)
    const batch = (first: number, after?: number) => ({
      epoch,
      ...(after === undefined ? {} : { after }),
      records: [first, first + 1].map((seq) => aRecord(seq, aWindow({ counts: { ok: 1, error: 0, refused: 0 } }))),
    })
    expect(await ingest.take('d-1', batch(1))).toBe(2)
    // 3 and 4 are on their way, or lost
    expect(await ingest.take('d-1', batch(5, 4))).toBe(2)
    expect(await ingest.take('d-1', batch(3, 2))).toBe(4)
    expect(await ingest.take('d-1', batch(5, 4))).toBe(6)
    // in one commit the order counts all the same
    const together = [batch(9, 8), batch(7, 6), batch(9, 8)].map((reports) => ingest.take('d-1', reports))
    expect((await Promise.all(together)).at(-1)).toBe(10)
    // a hub that lost its memory takes what the device begins with
    expect(await ingest.take('d-2', batch(101))).toBe(102)
    expect(await inferencesOf(hub, 'd-1')).toBe(10)
  })

  test('devices and epochs are kept apart, and many devices share a commit', async () => {
    await using hub = await aHub()
    let commits = 0
    const ingest = createIngest({
      database: {
        all: hub.database.all.bind(hub.database),
        first: hub.database.first.bind(hub.database),
        write: (statements) => {
          commits += 1
          return hub.database.write(statements)
        },
      },
      clock: hub.clock,
      log: hub.log,
      onEvent: () => [],
    })
    const devices = Array.from({ length: 50 }, (_, i) => `d-${i}`)
    await Promise.all(
      devices.flatMap((device) => [
        ingest.take(device, { epoch, records: [aRecord(1, aWindow())] }),
        ingest.take(device, { epoch: 'ffffffffffffffff', records: [aRecord(1, aWindow())] }),
      ]),
    )
    for (const device of devices) expect(await inferencesOf(hub, device)).toBe(200)
    expect(commits).toBeLessThan(10)
  })

  test('reports that reach the broker while it commits share the next commit', async () => {
    await using hub = await aHub()
    let commits = 0
    const database = {
      all: hub.database.all.bind(hub.database),
      first: hub.database.first.bind(hub.database),
      write: (statements: readonly Statement[]) => {
        commits += 1
        return hub.database.write(statements)
      },
    }
    const ingest = createIngest({ database, clock: hub.clock, log: hub.log, onEvent: () => [] })
    const broker = await aBroker({
      onMessage: async (device) => void (await ingest.take(device, { epoch, records: [aRecord(1, aWindow())] })),
    })
    const devices = Array.from({ length: 40 }, (_, i) => `d-${i}`)
    const clients = await Promise.all(devices.map((device) => connected(aClient(broker, device))))
    const topics = devices.map((device) => upTopic(device, 'reports'))
    await Promise.all(clients.map((client, i) => client.publishAsync(topics[i] ?? '', 'reports', { qos: 1 })))
    expect((await totals(hub.database, {})).ok).toBe(4_000)
    expect(commits).toBeLessThan(20)
  })

  test('a merged record that overlaps what is already here is not taken a second time', async () => {
    await using hub = await aHub()
    const ingest = ingestOf(hub)
    await ingest.take('d-1', { epoch, records: [aRecord(1, aWindow()), aRecord(2, aWindow())] })
    await ingest.take('d-1', { epoch, records: [aRecord(3, aWindow({ windows: 3 }), 1), aRecord(4, aWindow())] })
    expect(await inferencesOf(hub, 'd-1')).toBe(300)
  })

  test('the reports of one commit are all kept, in their order, and add up per device and bundle', async () => {
    await using hub = await aHub()
    const ingest = ingestOf(hub)
    const labels = { truePositive: 1, falsePositive: 2, trueNegative: 3, falseNegative: 4 }
    const bundles = ['ab'.repeat(32), 'cd'.repeat(32)]
    const records = Array.from({ length: 70 }, (_, i) =>
      aRecord(
        i + 1,
        aWindow({
          manifest: bundles[i % 2] ?? '',
          version: 1 + (i % 2),
          counts: { ok: i, error: 2, refused: 1 },
          interrupted: i % 7 === 0,
          // the last to come is not the latest
          to: i === 10 ? 9_000 : 2_000 + i,
          ...(i % 2 === 0 && { labels }),
        }),
      ),
    )
    const devices = ['d-1', 'd-2']
    await Promise.all(devices.map((device) => ingest.take(device, { epoch, records })))
    for (const device of devices) {
      const sums = await totals(hub.database, { devices: [device], version: 1 })
      expect(sums).toMatchObject({ windows: 35, ok: 34 * 35, error: 70, refused: 35, interrupted: 5 })
      expect(sums).toMatchObject({ truePositive: 35, falsePositive: 70, trueNegative: 105, falseNegative: 140 })
      const rows = await hub.database.all(
        z.object({ ok: z.number() }),
        'SELECT ok FROM window_reports WHERE device = ? ORDER BY id',
        [device],
      )
      expect(rows.map(({ ok }) => ok)).toEqual(records.map((_, i) => i))
    }
    const latest = await hub.database.all(
      z.object({ version: z.number(), last: z.number() }),
      'SELECT version, last_to_ms AS last FROM window_totals WHERE device = ? ORDER BY version',
      ['d-1'],
    )
    expect(latest).toEqual([
      { version: 1, last: 9_000 },
      { version: 2, last: 2_069 },
    ])
  })

  test('a record that cannot be read is kept as an event and does not hold up the next', async () => {
    await using hub = await aHub()
    const ingest = ingestOf(hub)
    const rubbish = { seq: 1, from: 1, body: new Uint8Array([0xff, 0x00, 0x13]) }
    expect(await ingest.take('d-1', { epoch, records: [rubbish, aRecord(2, aWindow())] })).toBe(2)
    expect(await inferencesOf(hub, 'd-1')).toBe(100)
    const events = await hub.database.all(z.object({ event: z.string() }), 'SELECT event FROM device_events')
    expect(events).toEqual([{ event: 'unreadable' }])
  })

  test('what an event changes elsewhere is committed with it, or neither is', async () => {
    await using hub = await aHub()
    const ingest = createIngest({
      database: hub.database,
      clock: hub.clock,
      log: hub.log,
      onEvent: () => [{ sql: 'INSERT INTO no_such_table VALUES (1)' }],
    })
    const started = { kind: 'event', event: 'started', at: 1, detail: '' } as const
    await expect(ingest.take('d-1', { epoch, records: [aRecord(1, started)] })).rejects.toThrow(/no_such_table/)
    expect(await ingest.highWaterMark('d-1', epoch)).toBe(0)
    expect(await ingest.take('d-1', { epoch, records: [aRecord(1, aWindow())] })).toBe(1)
  })

  test('killed at any moment under load, what it acknowledged is there, once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'roost-ingest-'))
    const file = join(folder, 'hub.db')
    let kill = seed
    let acknowledged = 0
    for (let round = 0; round < 12; round += 1) {
      const child = spawn(process.execPath, [join(import.meta.dirname, 'ingest-child.ts'), file, epoch], {
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exited = new Promise((resolve) => child.once('exit', resolve))
      const lines = createInterface({ input: child.stdout })
      kill = (kill * 1_103_515_245 + 12_345) % 2_147_483_648
      const after = 1 + (kill % 40)
      let seen = 0
      for await (const line of lines) {
        acknowledged = Math.max(acknowledged, Number(line))
        seen += 1
        if (seen === after) child.kill('SIGKILL')
      }
      await exited
    }
    const database = await openDatabase(file, pino({ level: 'silent' }))
    const position = await database.first(z.object({ seq: z.number() }), 'SELECT seq FROM outbox_positions')
    const counted = await totals(database, { devices: ['d-1'] })
    await database.close()
    rmSync(folder, { recursive: true })
    expect(acknowledged).toBeGreaterThan(12)
    expect(position?.seq).toBeGreaterThanOrEqual(acknowledged)
    // record n stands for n inferences
    expect(counted.ok).toBe(((position?.seq ?? 0) * ((position?.seq ?? 0) + 1)) / 2)
  })
})
