// Power goes at any moment of an outbox's life, unsynced writes are there, missing or torn: what append() had promised
// is there, and nothing twice.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seeded } from '../download/builders.ts'
import { aPowerCutDisk, type PowerCutDisk } from '../power-cut.ts'
import { openOutbox, readAll } from './an-outbox.ts'
import { adopt, anEmptyLedger, append, copyOfLedger, expectBalanced, type Ledger, take } from './ledger.ts'
import { aDiskHolding } from './memory-disk.ts'

const seed = 20_261_125
const bytesMax = 262_144

/** Two lives: filling up until windows merge, shipping a part, filling up again. `told` hears of every change in the books. */
async function live(at: string, power: PowerCutDisk, ledger: Ledger, told: () => void): Promise<void> {
  const open = () => openOutbox(at, { disk: power.disk, bytesMax })
  const fill = async (outbox: Awaited<ReturnType<typeof open>>, groups: number, size: number) => {
    for (let i = 0; i < groups; i += 1) {
      const appended = Array.from({ length: size }, (_, k) => append(ledger, outbox, `deployment-${k % 2}`))
      await outbox.flush()
      await Promise.all(appended)
      told()
    }
  }
  const ship = async (outbox: Awaited<ReturnType<typeof open>>, batches: number) => {
    for (let i = 0; i < batches; i += 1) {
      take(ledger, await outbox.read(ledger.hub.high, { bytesMax: 20_000, recordsMax: 1024 }))
      told()
    }
    await outbox.acknowledge(ledger.hub.high)
  }
  const first = await open()
  await fill(first, 5, 60)
  await ship(first, 3)
  await fill(first, 2, 40)
  await first.close()
  const second = await open()
  await ship(second, 2)
  await fill(second, 3, 30)
  await second.close()
}

describe('outbox and a power cut', () => {
  let at = ''
  beforeEach(async () => {
    at = await mkdtemp(join(tmpdir(), 'roost-outbox-cut-'))
  })
  afterEach(() => rm(at, { recursive: true }))

  /** How many of the states fell short, and of how many. */
  async function cut(forgetful: boolean, every: number): Promise<{ states: number; short: string[] }> {
    const power = aPowerCutDisk(at, { forgetful })
    const ledger = anEmptyLedger()
    const books = [copyOfLedger(ledger)]
    await live(at, power, ledger, () => {
      books.push(copyOfLedger(ledger))
      power.acknowledge(books.length - 1)
    })
    const short: string[] = []
    let states = 0
    for (const state of power.states(seeded(seed), 2, every)) {
      states += 1
      const then = copyOfLedger(books[state.acknowledged] ?? expect.fail(state.name))
      // not promised yet, but perhaps on disk already
      const promised = new Set(then.items.map(({ number }) => number))
      then.items.push(
        ...ledger.items.filter(({ number }) => !promised.has(number)).map((item) => ({ ...item, durable: false })),
      )
      const disk = aDiskHolding('/outbox', state.files)
      const outbox = await openOutbox('/outbox', { disk, bytesMax })
      const records = await readAll(outbox)
      await outbox.close()
      adopt(then, records)
      try {
        expectBalanced(then, records)
      } catch (error) {
        short.push(`${state.name}: ${error instanceof Error ? error.message : 'unknown'}`)
      }
    }
    return { states, short }
  }

  test('holds what was promised, once, at whatever moment', async () => {
    const { states, short } = await cut(false, 3)
    console.info(`outbox: ${states} disk states, seed ${seed}`)
    expect(short).toEqual([])
    expect(states).toBeGreaterThan(200)
  })

  test('would be caught without fsync', async () => {
    const { states, short } = await cut(true, 20)
    expect(short.length).toBeGreaterThan(states / 4)
  })
})
