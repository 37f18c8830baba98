// Random lives of an outbox under pressure: appends, losses on the way, confirmations, kills between and within disk
// calls. The books (ledger.ts) must balance after each of them.

import type { Outbox } from '@roost/agent/outbox/outbox.ts'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { bodyOf, openOutbox, readAll } from './an-outbox.ts'
import { adopt, anEmptyLedger, append, expectBalanced, type Ledger, take } from './ledger.ts'
import { aMemoryDisk, type MemoryDisk, withFaults } from './memory-disk.ts'

const folder = '/outbox'
const seed = 20_261_125
const bytesMax = 262_144

type Command =
  | { do: 'append'; count: number; deployments: number; flush: boolean }
  | { do: 'ship'; batches: number; bytesMax: number; arrives: number; confirms: boolean }
  | { do: 'confirm'; share: number }
  | { do: 'reopen' }

/** Commands may be cut short by a kill before the disk call of that number. */
type Step = { command: Command; killedAt: number | undefined }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('append' as const),
      count: fc.integer({ min: 1, max: 200 }),
      deployments: fc.integer({ min: 1, max: 3 }),
      flush: fc.boolean(),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('ship' as const),
      batches: fc.integer({ min: 1, max: 4 }),
      bytesMax: fc.integer({ min: 1, max: 40_000 }),
      arrives: fc.integer({ min: 0, max: 4 }),
      confirms: fc.boolean(),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('confirm' as const), share: fc.double({ min: 0, max: 1 }) }) },
  { weight: 1, arbitrary: fc.constant({ do: 'reopen' as const }) },
)
const step: fc.Arbitrary<Step> = fc.record({
  command,
  killedAt: fc.oneof({ weight: 2, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary: fc.nat({ max: 60 }) }),
})

type World = { ledger: Ledger; disk: MemoryDisk; fuse: Fuse; outbox: Outbox }
/** Before the call of that number the process dies: that call does half, the ones after it nothing. `left`: the disk then. */
type Fuse = { calls: number; left: MemoryDisk | undefined }

async function begin(disk: MemoryDisk, ledger: Ledger): Promise<World> {
  const fuse: Fuse = { calls: Number.POSITIVE_INFINITY, left: undefined }
  const watched = withFaults(disk, () => {
    fuse.calls -= 1
    if (fuse.calls >= 0) return undefined
    if (fuse.calls < -1) fuse.left ??= disk.copy()
    return 'EIO'
  })
  return { ledger, disk, fuse, outbox: await openOutbox(folder, { disk: watched.disk, bytesMax }) }
}

async function run({ ledger, outbox }: World, command: Command): Promise<World | undefined> {
  if (command.do === 'append') {
    const { count, deployments, flush } = command
    for (let i = 0; i < count; i += 1) void append(ledger, outbox, `deployment-${i % deployments}`)
    if (flush) await outbox.flush()
  } else if (command.do === 'ship') {
    let sent = Math.min(ledger.hub.high, outbox.head)
    for (let i = 0; i < command.batches; i += 1) {
      const records = await outbox.read(sent, { bytesMax: command.bytesMax, recordsMax: 1024 })
      sent = records.at(-1)?.seq ?? sent
      if (i < command.arrives) take(ledger, records)
    }
    if (command.confirms) await outbox.acknowledge(ledger.hub.high)
  } else if (command.do === 'confirm') await outbox.acknowledge(Math.floor(ledger.hub.high * command.share))
  return undefined
}

async function live(world: World, { command, killedAt }: Step): Promise<World> {
  const { fuse, ledger, disk, outbox } = world
  if (command.do === 'reopen' && killedAt === undefined) {
    await outbox.close()
    return begin(disk, ledger)
  }
  if (killedAt === undefined) {
    await run(world, command)
    return world
  }
  fuse.calls = killedAt
  // what the dying process makes of its errors is nobody's concern
  await run(world, command).catch(() => undefined)
  const left = fuse.left ?? disk.copy()
  // what is still told after the kill was told to nobody
  const dead = ledger.items
  ledger.items = dead.map((item) => ({ ...item }))
  fuse.calls = Number.NEGATIVE_INFINITY
  await outbox.close()
  adopt(ledger, await contents(left))
  return begin(left, ledger)
}

/** What a life that begins on this disk would find. */
async function contents(disk: MemoryDisk) {
  const outbox = await openOutbox(folder, { disk: disk.copy(), bytesMax })
  await outbox.flush()
  const records = await readAll(outbox)
  await outbox.close()
  return records
}

const sizeBytes = (disk: MemoryDisk): number =>
  [...disk.files].filter(([path]) => !path.includes('marks')).reduce((sum, [, { bytes }]) => sum + bytes.length, 0)

describe('outbox', () => {
  // only flush() makes durable: the same seed lives the same lives
  beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
  afterEach(() => void vi.useRealTimers())

  test('holds every record once, in order, with its inferences, through whatever life', async () => {
    let [lives, items, merged] = [0, 0, 0]
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 40, size: 'max' }), async (steps) => {
        let world = await begin(aMemoryDisk(), anEmptyLedger())
        for (const one of steps) {
          const before = world
          world = await live(world, one)
          if (world !== before) expectBalanced(world.ledger, await contents(world.disk))
          expect(sizeBytes(world.disk)).toBeLessThanOrEqual(bytesMax)
          if (world !== before) lives += 1
        }
        await world.outbox.close()
        expectBalanced(world.ledger, await contents(world.disk))
        items += world.ledger.items.length
        merged += world.ledger.hub.taken.map(bodyOf).filter((body) => body.kind === 'window' && body.windows > 1).length
      }),
      { seed, numRuns: 6, endOnFailure: true },
    )
    console.info(`outbox: ${lives} lives, ${items} records, ${merged} merged ones shipped, seed ${seed}`)
    expect(lives).toBeGreaterThan(25)
    expect(merged).toBeGreaterThan(20)
  })
})
