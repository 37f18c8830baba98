import type { WindowReport } from '@roost/shared/protocol/records.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { addWindow, noTally, type Tally, type TallyContext } from '../../../../hub/rollouts/evidence/tally.ts'
import { aWindow } from '../../../builders/windows.ts'

const seed = 1511
console.log(`tally: seed ${seed}`)

const sinceMs = 1_800_000_000_000
const target = '2'.repeat(64)
const previous = '1'.repeat(64)
const context: TallyContext = {
  sinceMs,
  shiftMs: 0,
  target,
  previous,
  offered: true,
  madeMs: sinceMs - 86_400_000,
  withOutputs: false,
  withBlocks: true,
}

/** A window of a minute that began `atMs` after the stage, on a clock that is wrong by `clockMs`, received `lateMs` after
 *  its end. */
function received(atMs: number, over: Partial<WindowReport> = {}, { clockMs = 0, lateMs = 40 } = {}) {
  const from = sinceMs + atMs + clockMs
  const report = aWindow({ manifest: target, from, to: from + 60_000, ...over })
  return { receivedAt: report.to - clockMs + lateMs, report }
}

const tallied = (windows: readonly ReturnType<typeof received>[], over: Partial<TallyContext> = {}): Tally =>
  windows.reduce((tally, window) => addWindow(tally, window, { ...context, ...over }), noTally)

const minutes = (count: number, over: Partial<WindowReport> = {}, clock = {}) =>
  Array.from({ length: count }, (_, i) => received(i * 60_000, over, clock))

describe('a tally', () => {
  test('counts what runs there by version and role', () => {
    const tally = tallied([
      ...minutes(3),
      received(180_000, { manifest: previous }),
      received(180_000, { role: 'shadow' }),
      received(240_000, { manifest: '3'.repeat(64) }),
    ])
    expect([tally.target.windows, tally.previous.windows, tally.shadow.windows]).toEqual([3, 1, 1])
    expect(tally.target.ok).toBe(300)
    expect(tally.fault).toBeUndefined()
  })

  test('a window that began before the stage counts nowhere, also where it is merged and ends in it', () => {
    const tally = tallied([
      received(-30_000, { manifest: previous }),
      received(-600_000, { manifest: previous, to: sinceMs + 60_000, windows: 11 }),
      received(0, { manifest: previous }),
    ])
    expect(tally).toMatchObject({ straddling: 2, previous: { windows: 1 } })
  })

  test('a backlog that comes within the stage is known for what it is', () => {
    const live = received(-26 * 60_000, { manifest: previous })
    const backlog = Array.from({ length: 30 }, (_, i) =>
      received((i - 25) * 60_000, { manifest: previous }, { lateMs: (25 - i) * 60_000 + 600_000 }),
    )
    expect(tallied([live, ...backlog]).previous.windows).toBe(5)
  })

  test('a clock that is wrong by anything moves no window into another stage', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: -80_000_000, max: 80_000_000 }),
        fc.array(fc.integer({ min: 0, max: 5_000 }), { minLength: 6, maxLength: 12 }),
        (clockMs, delays) => {
          const windows = delays.map((lateMs, i) => received((i - 3) * 60_000, {}, { clockMs, lateMs }))
          const tally = tallied(windows)
          // Until a window has come fast, a late one may be taken for one that has just begun: never the other way round.
          expect(tally.target.windows).toBeGreaterThanOrEqual(delays.length - 3)
          expect(tally.target.windows + tally.straddling).toBe(delays.length)
        },
      ),
      { seed, numRuns: 200 },
    )
  })

  test('a clock that is set back begins anew, and what follows counts', () => {
    const before = minutes(5)
    const after = Array.from({ length: 5 }, (_, i) => received((i + 5) * 60_000, {}, { clockMs: -3_600_000 }))
    expect(tallied([...before, ...after]).target.windows).toBe(10)
  })

  test.each([86_400_000, -86_400_000])(
    'a jump of the hub’s own clock by %s ms moves nothing into or out of the stage',
    (shiftMs) => {
      const before = tallied([received(-60_000), ...minutes(5)])
      const after = Array.from({ length: 5 }, (_, i) => received((i + 5) * 60_000)).reduce(
        (tally, { receivedAt, report }) =>
          addWindow(
            tally,
            { receivedAt: receivedAt + shiftMs, report },
            { ...context, madeMs: 0, sinceMs: sinceMs + shiftMs, shiftMs },
          ),
        before,
      )
      expect(after).toMatchObject({ straddling: 1, target: { windows: 10 } })
    },
  )

  test.each<[string, Partial<WindowReport>, RegExp]>([
    ['a thousand million inferences', aBurst(1_000_000_000), /16,666,667 inferences a second/],
    ['answers without latencies', { latency: { bins: [], count: 0, sumUs: 0 } }, /100 answers and 0 latencies/],
    ['latencies that its bins do not hold', { latency: { bins: [[5, 3]], count: 100, sumUs: 1 } }, /its bins hold 3/],
  ])('%s in a minute cannot be: nothing of it is counted, and the device is suspect for the stage', (_, over, why) => {
    const tally = tallied([received(0, over), ...minutes(4).slice(1)])
    expect(tally.fault).toMatch(why)
    expect(tally.target.windows).toBe(3)
  })

  test('reports for a bundle that the registry does not hold make a device suspect', () => {
    expect(tallied([received(0, { manifest: 'e'.repeat(64) })], { madeMs: null }).fault).toMatch(/does not hold/)
  })

  test('reports for the new version from a device that was never offered it make it suspect', () => {
    expect(tallied(minutes(1), { offered: false }).fault).toMatch(/never offered/)
    expect(tallied(minutes(1, { manifest: previous }), { offered: false }).fault).toBeUndefined()
  })

  test('more work than there was time for makes a device suspect', () => {
    const tally = tallied(Array.from({ length: 60 }, () => received(0)))
    expect(tally.fault).toMatch(/60 minutes of work in 1|minutes of work/)
  })

  test('a clock that is years off makes a device suspect until it is right', () => {
    const wrong = received(0, { from: 1_000, to: 61_000 })
    const off = addWindow(noTally, { ...wrong, receivedAt: sinceMs + 60_000 }, context)
    expect(off.clock).toMatch(/behind the making/)
    expect(off.target.windows).toBe(0)
    const right = addWindow(off, received(60_000), context)
    expect(right).toMatchObject({ target: { windows: 1 } })
    expect(right.clock).toBeUndefined()
  })

  test('a shadow that was compared with another version than runs there by the plan gives no pairs', () => {
    const agreement = { pairs: 10, agreed: 9, outputs: {}, errors: { both: 0, onlyPrimary: 0, onlyCandidate: 1 } }
    const of = (primary: string) => tallied([received(0, { role: 'shadow', agreement: { ...agreement, primary } })])
    expect(of(previous).agreement.values).toHaveLength(1)
    expect(of('4'.repeat(64)).agreement.values).toHaveLength(0)
  })

  test('stays within its bounds however long a stage lasts, and loses no count', () => {
    const tally = tallied(minutes(2_000))
    expect(tally.blocks?.target.values.length).toBeLessThanOrEqual(64)
    const inBlocks = (tally.blocks?.target.values ?? []).reduce((sum, slot) => sum + (slot?.ok ?? 0), 0)
    expect(inBlocks).toBe(200_000)
    expect(tally.target.ok).toBe(200_000)
  })
})

function aBurst(ok: number): Partial<WindowReport> {
  return { counts: { ok, error: 0, refused: 0 }, latency: { bins: [[200, ok]], count: ok, sumUs: 1 } }
}
