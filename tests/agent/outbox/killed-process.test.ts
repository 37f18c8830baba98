// A real process that appends at full speed, killed at random moments, twenty times in one folder: what it told as durable
// is there, to the unit, and nothing is there twice.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { OpenWindows } from '@roost/agent/outbox/open-windows.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seeded } from '../download/builders.ts'
import { aFolder, bodyOf, inferencesIn, openOutbox, readAll, silent } from './an-outbox.ts'

const kills = 20
/** Inferences by start of the window; event numbers. */
type Told = { windows: Map<number, number>; open: Map<number, number>; events: Set<number> }

describe('outbox of a process that is killed', () => {
  let folder = ''
  let child: ChildProcess | undefined
  beforeEach(async () => {
    folder = await aFolder('killed')
  })
  afterEach(async () => {
    child?.kill('SIGKILL')
    await rm(folder, { recursive: true })
  })

  test('holds what was told as durable, to the unit, and nothing twice', async () => {
    const seed = Number(process.env.ROOST_TEST_SEED ?? 20_261_125)
    console.info(`outbox of a killed process: seed ${seed}`)
    const random = seeded(seed)
    const told: Told = { windows: new Map(), open: new Map(), events: new Set() }
    for (let life = 0; life < kills; life += 1) await liveAndDie(life * 1_000_000 + 1, random() * 150, told)

    const outbox = await openOutbox(folder, { bytesMax: 67_108_864 })
    const windows = await OpenWindows.open(folder, { outbox, log: silent })
    await outbox.flush()
    const records = await readAll(outbox, 0)
    await outbox.close()
    await windows.close()
    const message = `seed ${seed}`
    for (const [i, { from, seq }] of records.entries()) {
      // a kill within a write of the marks makes sequences jump
      expect((from - (records[i - 1]?.seq ?? 0) - 1) % 2 ** 32, message).toBe(0)
      expect(seq, message).toBeGreaterThanOrEqual(from)
    }
    const bodies = records.map(bodyOf)
    expect(
      bodies.filter(({ kind }) => kind === 'gap'),
      message,
    ).toEqual([])
    const found = new Map<number, number>()
    const events = new Set<number>()
    for (const body of bodies) {
      if (body.kind === 'window') {
        if (found.has(body.from)) expect.fail(`window ${body.from} twice, ${message}`)
        found.set(body.from, inferencesIn(body))
        // closed, it is whole; interrupted, it is as the checkpoint had it
        const whole = 1 + (body.from % 97)
        expect(inferencesIn(body), message).toBe(body.interrupted ? Math.ceil(whole / 2) : whole)
      } else if (body.kind === 'event') {
        if (events.has(body.at)) expect.fail(`event ${body.at} twice, ${message}`)
        events.add(body.at)
      }
    }
    const missing = [...told.windows].filter(([from, inferences]) => found.get(from) !== inferences)
    expect(missing, message).toEqual([])
    expect(
      [...told.open].filter(([from, inferences]) => (found.get(from) ?? 0) < inferences),
      message,
    ).toEqual([])
    expect(
      [...told.events].filter((number) => !events.has(number)),
      message,
    ).toEqual([])
    console.info(`${kills} kills, ${records.length} records, ${told.windows.size + told.events.size} of them promised`)
    expect(told.windows.size).toBeGreaterThan(kills)
  }, 120_000)

  /** Starts a process, and kills it so long after it began; what it told until then counts. */
  async function liveAndDie(firstNumber: number, afterMs: number, told: Told): Promise<void> {
    const script = join(import.meta.dirname, 'appending-process.ts')
    child = spawn(process.execPath, [script, folder, String(firstNumber)], { stdio: ['ignore', 'pipe', 'inherit'] })
    const ended = once(child, 'exit')
    if (child.stdout === null) throw new Error('no pipe')
    const lines = createInterface({ input: child.stdout })
    const drained = once(lines, 'close')
    lines.on('line', (line) => hear(line, told))
    await Promise.race([once(lines, 'line'), ended])
    await Promise.race([delay(afterMs), ended])
    child.kill('SIGKILL')
    // null: it did not end by itself
    expect((await ended)[0]).toBeNull()
    await drained
  }
})

function hear(line: string, told: Told): void {
  // a line that was cut by the kill was not told
  if (!line.endsWith(' told')) return
  const [what, number, inferences] = line.split(' ')
  if (what === 'event') told.events.add(Number(number))
  else if (what === 'window') told.windows.set(Number(number), Number(inferences))
  else if (what === 'open') told.open.set(Number(number), Number(inferences))
}
