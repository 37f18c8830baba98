import { buildBaseline } from '@roost/shared/drift/baseline.ts'
import { prepareCharts } from '@roost/shared/drift/charts.ts'
import { DriftState, DriftVerdict, evidenceLimit, initialDrift, stepDrift } from '@roost/shared/drift/verdict.ts'
import { type ColumnCounts, mergeColumns } from '@roost/shared/sketch/column.ts'
import { describe, expect, test } from 'vitest'
import {
  autoregressive,
  baselineOf,
  type Columns,
  drifted,
  eventsOf,
  normals,
  type Random,
  seeded,
  verdicts,
  watch,
  windowMs,
  windowsOf,
} from './streams.ts'

const rows = 100
const baselineWindows = 40

/** Two columns of independent readings and one of classes. */
function healthy(random: Random, windows: number): Record<string, number[]> {
  return {
    temperature: normals(random, windows * rows).map((value) => 20 + 2 * value),
    pressure: autoregressive(random, windows * rows, 0.8),
    state: normals(random, windows * rows).map((value) => (value > 1 ? 2 : value > -0.5 ? 1 : 0)),
  }
}

/** The columns with `change` from window `at` on. */
function changed(columns: Columns, name: string, at: number, change: (value: number, i: number) => number): Columns {
  const values = columns[name] ?? []
  return { ...columns, [name]: values.map((value, i) => (i < at * rows ? value : change(value, i))) }
}

describe('a baseline', () => {
  test('of fewer than twenty windows gives no verdict', () => {
    const columns = { x: normals(seeded(1), 2000) }
    const [short] = watch({ x: columns.x.slice(0, 1900) }, { x: columns.x.map(() => 1e6) })
    expect(short).toEqual({ state: 'baseline_too_short', at: 0, evidence: 0, since: null, movements: [] })
    const [enough] = watch(columns, columns)
    expect(enough?.state).toBe('healthy')
  })
})

describe('healthy windows', () => {
  test('of independent rows are hardly ever called drifted: 0 to 3 of 3,000 windows', () => {
    let false_ = 0
    for (let seed = 1; seed <= 50; seed++) {
      const random = seeded(seed)
      const before = healthy(random, baselineWindows)
      false_ += drifted(watch(before, healthy(random, 60))).filter(Boolean).length
    }
    expect(false_).toBeLessThanOrEqual(3)
  })

  test('of readings that remember are rarely: at most 4 of 100 where PSI > 0.2 calls most', () => {
    let false_ = 0
    let windows = 0
    for (let seed = 1; seed <= 30; seed++) {
      const random = seeded(seed)
      const x = autoregressive(random, 120 * rows, 0.98)
      const all = watch({ x: x.slice(0, 60 * rows) }, { x: x.slice(60 * rows) })
      false_ += drifted(all).filter(Boolean).length
      windows += all.length
    }
    expect(windows).toBe(1800)
    expect(false_ / windows).toBeLessThan(0.04)
  })
})

type Case = {
  name: string
  column: string
  change: (value: number, i: number) => number
  /** What an operator must read of it. */
  says: { chart: string; direction: string; category?: number | string }
  /** Found within this many windows in each of ten streams. */
  within: number
  /** So small that it may fade out of sight for some windows. */
  faint?: boolean
}

const cases: Case[] = [
  {
    name: 'a shift of one deviation',
    column: 'temperature',
    change: (x) => x + 2,
    says: { chart: 'place', direction: 'up' },
    within: 2,
  },
  {
    name: 'a shift of a quarter',
    column: 'temperature',
    change: (x) => x - 0.5,
    says: { chart: 'place', direction: 'down' },
    within: 20,
    faint: true,
  },
  {
    name: 'a wider spread',
    column: 'temperature',
    change: (x) => 20 + (x - 20) * 1.5,
    says: { chart: 'spread', direction: 'up' },
    within: 10,
  },
  {
    name: 'a narrower spread',
    column: 'temperature',
    change: (x) => 20 + (x - 20) / 2,
    says: { chart: 'spread', direction: 'down' },
    within: 4,
  },
  {
    name: 'a stuck sensor',
    column: 'pressure',
    change: () => 0.1,
    says: { chart: 'crowding', direction: 'up' },
    within: 3,
  },
  {
    name: 'one reading in ten missing',
    column: 'temperature',
    change: (x, i) => (i % 10 === 0 ? Number.NaN : x),
    says: { chart: 'missing', direction: 'up' },
    within: 3,
  },
  {
    name: 'all readings missing',
    column: 'temperature',
    change: () => Number.NaN,
    says: { chart: 'missing', direction: 'up' },
    within: 2,
  },
  {
    name: 'a class that vanished',
    column: 'state',
    change: (x) => (x === 2 ? 1 : x),
    says: { chart: 'category', direction: 'down', category: 2 },
    within: 3,
  },
  {
    name: 'a class never seen',
    column: 'state',
    change: (x, i) => (i % 5 === 0 ? 9 : x),
    says: { chart: 'category', direction: 'up' },
    within: 2,
  },
  {
    name: 'a correlated reading that shifted',
    column: 'pressure',
    change: (x) => x + 1,
    says: { chart: 'place', direction: 'up' },
    within: 4,
  },
]

describe('a change is found, named and dated', () => {
  test.each(cases)('$name', ({ column, change, says, within, faint }) => {
    const at = 30
    for (let seed = 101; seed <= 110; seed++) {
      const random = seeded(seed)
      const before = healthy(random, baselineWindows)
      const all = watch(before, changed(healthy(random, 60), column, at, change))
      const first = drifted(all).indexOf(true)
      expect(first, `seed ${seed}`).toBeGreaterThanOrEqual(at)
      expect(first - at + 1, `seed ${seed}`).toBeLessThanOrEqual(within)
      expect(Math.abs((all[first]?.since ?? Number.NaN) / windowMs - at), `seed ${seed}`).toBeLessThanOrEqual(within)
      const last = all.findLast(({ state }) => state === 'drifted')
      const named = last?.movements.map(({ size, share, ...words }) => words)
      expect(named).toContainEqual({ column, ...says })
      expect(last?.movements.every((movement) => movement.column === column)).toBe(true)
      // One drift is one event, and it stands to the end.
      if (!faint) expect([eventsOf(all), all.at(-1)?.state], `seed ${seed}`).toEqual([1, 'drifted'])
      expect(DriftVerdict.parse(last)).toEqual(last)
    }
  })

  test('the size of a shift is told in deviations of the baseline', () => {
    const random = seeded(7)
    const before = healthy(random, baselineWindows)
    const last = watch(
      before,
      changed(healthy(random, 30), 'temperature', 10, (x) => x + 1.6),
    ).at(-1)
    const place = last?.movements.find(({ chart }) => chart === 'place')
    expect(place).toMatchObject({ column: 'temperature', direction: 'up' })
    expect(Math.abs((place?.size ?? Number.NaN) - 0.8)).toBeLessThan(0.1)
  })

  test('several columns are named, the strongest first', () => {
    const random = seeded(8)
    const before = healthy(random, baselineWindows)
    const after = changed(
      changed(healthy(random, 30), 'temperature', 0, (x) => x + 2),
      'pressure',
      0,
      (x) => x - 2,
    )
    const movements = watch(before, after).at(-1)?.movements ?? []
    expect(new Set(movements.map(({ column }) => column))).toEqual(new Set(['temperature', 'pressure']))
    const shares = movements.map(({ share }) => share)
    expect(shares).toEqual(shares.toSorted((a, b) => b - a))
  })
})

describe('the end of a drift', () => {
  test('comes after several healthy windows, not at the first, and within fifteen', () => {
    const random = seeded(11)
    const before = healthy(random, baselineWindows)
    const after = healthy(random, 60)
    const shifted = { ...after, temperature: (after.temperature ?? []).map((x, i) => (i < 20 * rows ? x + 2 : x)) }
    const all = drifted(watch(before, shifted))
    const end = all.lastIndexOf(true) + 1
    expect(all.slice(2, end)).not.toContain(false)
    expect(end).toBeGreaterThanOrEqual(23)
    expect(end).toBeLessThanOrEqual(35)
  })

  test('does not come from a single quiet window', () => {
    const random = seeded(12)
    const before = healthy(random, baselineWindows)
    const after = healthy(random, 30)
    const shifted = {
      ...after,
      temperature: (after.temperature ?? []).map((x, i) => (Math.floor(i / rows) % 4 === 3 ? x : x + 2)),
    }
    expect(eventsOf(watch(before, shifted))).toBe(1)
    expect(drifted(watch(before, shifted)).slice(2)).not.toContain(false)
  })
})

describe('parts of the day', () => {
  const hourMs = 3_600_000
  const perHour = 60
  /** Readings by the minute that follow the sun by five degrees. */
  const days = (random: Random, count: number) =>
    normals(random, count * 24 * perHour).map((value, i) => value + 5 * Math.sin((i / (24 * perHour)) * 2 * Math.PI))
  const source = seeded(41)
  const values = Float64Array.from(days(source, 12))
  const baseline = buildBaseline({
    columns: [{ name: 'x', kind: 'feature', values }],
    times: Float64Array.from(values, (_, i) => (i * hourMs) / perHour),
    window: { seconds: hourMs / 1000 },
  })
  const hours = (readings: readonly number[]) => {
    const charts = prepareCharts(baseline)
    let state = initialDrift(charts)
    return windowsOf(baseline, { x: readings }, perHour).map((window, hour) => {
      const step = stepDrift(charts, state, window, 20 * 24 * hourMs + hour * hourMs)
      state = step.state
      return step.verdict
    })
  }

  test('are known: neither night nor noon is drift', () => {
    expect(baseline.phases).toBe(24)
    expect(drifted(hours(days(source, 6)))).not.toContain(true)
  })

  test('let a shift be seen that the day would hide: within four hours, its size told', () => {
    const shifted = days(source, 6).map((value, i) => (i < 48 * perHour ? value : value + 1.5))
    const all = hours(shifted)
    const first = drifted(all).indexOf(true)
    expect(first).toBeGreaterThanOrEqual(48)
    expect(first).toBeLessThan(52)
    expect(all[first]?.movements).toContainEqual(expect.objectContaining({ chart: 'place', direction: 'up' }))
  })
})

describe('the step', () => {
  const random = seeded(21)
  const baseline = baselineOf(healthy(random, baselineWindows), rows)
  const charts = prepareCharts(baseline)
  const shifted = changed(healthy(random, 20), 'temperature', 5, (x) => x + 1)
  const windows = windowsOf(baseline, shifted, rows)

  test('is pure, and its state may travel as JSON', () => {
    const whole = verdicts(charts, windows)
    let state = initialDrift(charts)
    const frozen = JSON.stringify(charts)
    for (const [i, window] of windows.entries()) {
      const before = JSON.stringify(state)
      const step = stepDrift(JSON.parse(frozen), state, window, i * windowMs)
      expect(JSON.stringify(state)).toBe(before)
      expect(step.verdict).toEqual(whole[i])
      state = DriftState.parse(JSON.parse(JSON.stringify(step.state)))
    }
    expect(whole.at(-1)?.state).toBe('drifted')
  })

  test('takes pooled counts of several devices for the pooled data', () => {
    const one = healthy(seeded(31), 20)
    const other = changed(healthy(seeded(32), 20), 'temperature', 5, (x) => x + 3)
    const [ofOne, ofOther] = [one, other].map((columns) => windowsOf(baseline, columns, rows))
    const pooled = (ofOne ?? []).map((window, i) =>
      Object.fromEntries(
        Object.entries(window).flatMap(([name, counts]): [string, ColumnCounts][] => {
          const others = ofOther?.[i]?.[name]
          return others === undefined ? [] : [[name, mergeColumns(counts, others)]]
        }),
      ),
    )
    // Both devices' rows of each window one after the other, as if one device had seen them all.
    const together = Object.fromEntries(
      Object.entries(one).map(([name, values]) => [
        name,
        Array.from({ length: 40 * rows }, (_, i) => {
          const [window, row] = [Math.floor(i / (2 * rows)), i % (2 * rows)]
          return (row < rows ? values : (other[name] ?? []))[window * rows + (row % rows)] ?? Number.NaN
        }),
      ]),
    )
    const states = verdicts(charts, windowsOf(baseline, together, 2 * rows))
    expect(states.at(-1)?.state).toBe('drifted')
    const exact = (all: readonly DriftVerdict[]) =>
      all.map((verdict) => ({ ...verdict, movements: verdict.movements.map(({ size, ...rest }) => rest) }))
    expect(exact(verdicts(charts, pooled))).toEqual(exact(states))
  })

  test('leaves a chart alone that a window does not tell of', () => {
    const start = initialDrift(charts)
    const { state } = stepDrift(charts, start, windows[0] ?? {}, 0)
    expect(stepDrift(charts, state, {}, 1).state.charts).toEqual(state.charts)
    const foreign = {
      temperature: { bins: [1, 2], missing: 0, min: 0, max: 1, sum: 1, sumSquares: 1 },
      unknown: windows[0]?.state,
    }
    const known = Object.fromEntries(
      Object.entries(foreign).flatMap(([name, counts]) => (counts ? [[name, counts]] : [])),
    )
    expect(stepDrift(charts, state, known, 1).state.charts).toEqual(state.charts)
  })

  test('refuses the state of other charts', () => {
    expect(() => stepDrift(charts, { charts: [], running: null }, {}, 0)).toThrow(RangeError)
  })

  test('does not take short windows of healthy rows for drift', () => {
    let false_ = 0
    for (let seed = 1; seed <= 20; seed++) {
      const source = seeded(seed)
      const whole = baselineOf(healthy(source, baselineWindows), rows)
      const short = windowsOf(whole, healthy(source, 30), 10)
      false_ += drifted(verdicts(prepareCharts(whole), short)).filter(Boolean).length
    }
    // Of 6,000 windows of ten rows, judged by windows of a hundred.
    expect(false_).toBeLessThanOrEqual(60)
  })

  test('keeps evidence finite however long and strong a drift is', () => {
    const far = windowsOf(
      baseline,
      changed(healthy(random, 2), 'temperature', 0, () => 1e9),
      rows,
    )
    const many = Array.from({ length: 300 }, () => far[0] ?? {})
    const last = verdicts(charts, many).at(-1)
    expect(last?.evidence).toBeLessThanOrEqual(12 * evidenceLimit * charts.chartCount)
    expect(last?.evidence).toBeGreaterThan(evidenceLimit)
  })
})
