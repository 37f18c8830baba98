// Durations as people write them: `24h` instead of 86400000.

const unitMs = { ms: 1, s: 1_000, m: 60_000, min: 60_000, h: 3_600_000, d: 86_400_000 } as const
const spelled = /^(\d+(?:\.\d+)?) ?(ms|s|m|min|h|d)$/

/** Milliseconds of `90s`, `1.5h`, `3d`; undefined where it is none. */
export function parseDuration(text: string): number | undefined {
  const [, amount, unit] = spelled.exec(text.trim()) ?? []
  if (amount === undefined || unit === undefined || !Object.hasOwn(unitMs, unit)) return undefined
  return Math.round(Number(amount) * unitMs[unit as keyof typeof unitMs])
}

/** The shortest whole spelling: 90 s for 90,000, 1 d for 86,400,000. */
export function spellDuration(ms: number): string {
  const fitting = (['d', 'h', 'min', 's'] as const).find((unit) => ms >= unitMs[unit] && ms % unitMs[unit] === 0)
  return fitting === undefined ? `${ms} ms` : `${ms / unitMs[fitting]} ${fitting}`
}

/** The keys that may be written as a duration, without the unit at their end: `bake: 24h` is `bakeMs: 86400000`. */
export const durationNames: ReadonlySet<string> = new Set([
  'bake',
  'timeLimit',
  'installTimeout',
  'progressTimeout',
  'stageTimeLimit',
  'silent',
])
