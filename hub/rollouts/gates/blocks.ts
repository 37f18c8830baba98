// Few devices and no shadow: each canary beside its own windows before the rollout, less what the controls did in the same
// windows. If nothing were wrong beyond the margin, other stretches of the same time could as well have been the ones since
// (permutation over blocks of time, as in Chernozhukov, Wüthrich & Zhu 2021).

import type { Blocks } from './evidence.ts'
import type { Level } from './scores.ts'

/** Stretches since the rollout that are told apart; neighbouring windows resemble each other and are taken together. */
const stretchesSinceMost = 12
const stretchesBeforeMost = 60
/** From so many devices the one in the middle speaks for them, so that none can decide alone. */
const devicesForMedian = 3

export type BlockLevels = { levels: Level[]; canary: number; control: number; hasControl: boolean }

/** One unit a stretch of time, on the gate's scale: canaries less controls. Undefined without windows on both sides.
 *  @param blocks on the gate's scale */
export function blockLevels(blocks: readonly Blocks[]): BlockLevels | undefined {
  const canaries = blocks.filter(({ treated }) => treated)
  const controls = blocks.filter(({ treated }) => !treated)
  const length = (part: 'before' | 'since') => Math.max(0, ...canaries.map((device) => device[part].length))
  const series = (part: 'before' | 'since') =>
    Array.from({ length: length(part) }, (_, i) => {
      const canary = middle(canaries.map((device) => device[part][i] ?? null))
      const control = middle(controls.map((device) => device[part][i] ?? null))
      return { canary, control: controls.length === 0 ? 0 : control }
    }).flatMap(({ canary, control }) => (canary === null || control === null ? [] : [{ canary, control }]))
  const since = series('since')
  const before = series('before')
  if (since.length === 0 || before.length === 0) return undefined
  const size = Math.ceil(since.length / stretchesSinceMost)
  const toLevels = (windows: typeof since, treated: boolean) =>
    stretches(
      windows.map(({ canary, control }) => canary - control),
      size,
    ).map((value): Level => ({ device: '', stratum: '', treated, value, before: null, weight: 1 }))
  return {
    levels: [...toLevels(since, true), ...toLevels(before, false).slice(-stretchesBeforeMost)],
    canary: mean(since.map(({ canary }) => canary)),
    control: mean((controls.length === 0 ? before : since).map((w) => (controls.length === 0 ? w.canary : w.control))),
    hasControl: controls.length > 0,
  }
}

/** Means of as many neighbours each, counted from the end; what is left over at the beginning is dropped, unless it is all. */
function stretches(values: readonly number[], size: number): number[] {
  const count = Math.max(1, Math.floor(values.length / size))
  const start = Math.max(0, values.length - count * size)
  return Array.from({ length: count }, (_, i) => mean(values.slice(start + i * size, start + (i + 1) * size)))
}

function middle(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null).sort((a, b) => a - b)
  if (known.length === 0) return null
  if (known.length < devicesForMedian) return mean(known)
  const upper = known[Math.floor(known.length / 2)] ?? 0
  const lower = known[Math.floor((known.length - 1) / 2)] ?? 0
  return (lower + upper) / 2
}

const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
