// How a candidate is judged by what it did, and how long what died has to wait: the figures at their edges.

import { describe, expect, test } from 'vitest'
import { inferencesMin, judgeProbation, type Observed } from '../../../agent/reconcile/probation.ts'
import { failureOfExit } from '../../../agent/reconcile/runtime-exit.ts'
import { countDeath, healthyMs, restartDelayMaxMs } from '../../../agent/reconcile/tries.ts'
import { aBundle } from './world.ts'

const limits = { durationMs: 30_000, errorShareMax: 0.05 }
const judge = (counts: Record<string, Partial<Observed>>, servedMs = 30_000) => {
  const observed = new Map(Object.entries(counts).map(([name, some]) => [name, { ok: 0, error: 0, slow: 0, ...some }]))
  const verdict = judgeProbation([aBundle('a', 2)], observed, servedMs, limits)
  return verdict.state === 'failed' ? verdict.failure.reason : verdict.state
}

describe('probation', () => {
  test.each<[string, Record<string, Partial<Observed>>, number, string]>([
    ['no traffic, time not up', {}, 29_999, 'waiting'],
    ['no traffic, time up', {}, 30_000, 'passed'],
    ['all well, time not up', { a: { ok: 1000 } }, 0, 'waiting'],
    ['exactly the share that may fail', { a: { ok: 95, error: 5 } }, 30_000, 'passed'],
    ['one more', { a: { ok: 94, error: 6 } }, 0, 'errors'],
    ['one failure at the start is no share of anything', { a: { error: 1 } }, 0, 'waiting'],
    ['two at the start are a tenth of the least there has to be', { a: { error: 2 } }, 0, 'errors'],
    ['slow ones in the same share', { a: { ok: 100, slow: 5 } }, 0, 'waiting'],
    ['and in more than that', { a: { ok: 100, slow: 6 } }, 0, 'latency'],
    ['what did not change is not judged', { b: { error: 1000 } }, 30_000, 'passed'],
  ])('%s', (_, counts, servedMs, verdict) => {
    expect(judge(counts, servedMs)).toBe(verdict)
  })

  test('the least number of inferences a share is taken of', () => {
    expect(inferencesMin * limits.errorShareMax).toBe(1)
  })
})

describe('after a death', () => {
  const failure = { reason: 'crash' as const, detail: 'signal SIGSEGV' }

  test('the next start is at once, then after 1, 2, 4 … seconds, a minute at most', () => {
    const waits: number[] = []
    let tries = countDeath(undefined, { failure, proven: true, servedMs: 0 }, 1000)
    for (let n = 0; n < 60; n++) {
      waits.push(tries.notBefore - 1000)
      tries = countDeath(tries, { failure, proven: true, servedMs: healthyMs - 1 }, 1000)
    }
    expect(waits.slice(0, 8)).toEqual([0, 1, 2, 4, 8, 16, 32, 60].map((seconds) => seconds * 1000))
    expect(new Set(waits.slice(8))).toEqual(new Set([restartDelayMaxMs]))
  })

  test('one that was well for a minute starts at once again', () => {
    const often = { crashes: 9, loadFailures: 0, notBefore: 0, last: failure }
    expect(countDeath(often, { failure, proven: true, servedMs: healthyMs }, 5).notBefore).toBe(5)
  })

  test('failed loads count only in a row', () => {
    const load = { failure, proven: false, servedMs: 0 }
    const twice = countDeath(countDeath(undefined, load, 0), load, 0)
    expect(twice.loadFailures).toBe(2)
    expect(countDeath(twice, { ...load, proven: true }, 0).loadFailures).toBe(0)
  })

  test.each([
    [{ code: null, signal: 'SIGSEGV' }, '', 'crash', 'signal SIGSEGV'],
    [{ code: 1, signal: null }, ' TypeError: x \n', 'crash', 'exit code 1: TypeError: x'],
    [
      { code: 134, signal: null },
      'FATAL ERROR: Reached heap limit Allocation failed - JavaScript heap out of memory',
      'memory',
      'heap',
    ],
    [
      { code: null, signal: 'SIGABRT' },
      "terminate called after throwing an instance of 'std::bad_alloc'",
      'memory',
      'bad_alloc',
    ],
    [{ code: null, signal: null, error: new Error('spawn ENOMEM') }, '', 'crash', 'spawn ENOMEM'],
  ])('%o and %j mean %s', (end, stderr, reason, detail) => {
    const found = failureOfExit(end, stderr, 'a')
    expect(found).toMatchObject({ reason, deployment: 'a', detail: expect.stringContaining(detail) })
    expect(failureOfExit(end, 'y'.repeat(10_000), undefined).detail.length).toBeLessThanOrEqual(500)
  })
})
