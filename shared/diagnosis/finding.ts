// What a check of a hub or a device found: a verdict, a sentence, and what to do next.

export type Verdict = 'ok' | 'warning' | 'fault'

export type Finding = {
  /** What was looked at, in a word: clock, port, disk. */
  check: string
  verdict: Verdict
  /** What is so, and what that means. */
  says: string
  /** The next step; null where there is none to take. */
  next: string | null
}

export const ok = (check: string, says: string): Finding => ({ check, verdict: 'ok', says, next: null })
export const warning = (check: string, says: string, next: string): Finding => ({
  check,
  verdict: 'warning',
  says,
  next,
})
export const fault = (check: string, says: string, next: string): Finding => ({ check, verdict: 'fault', says, next })

/** A line each, and how many there are. */
export function findingLines(findings: readonly Finding[]): string[] {
  const width = Math.max(...findings.map(({ check }) => check.length))
  const count = (wanted: Verdict) => findings.filter(({ verdict }) => verdict === wanted).length
  const lines = findings.flatMap(({ check, verdict, says, next }) => [
    `${verdict.padEnd(7)}  ${check.padEnd(width)}  ${says}`,
    ...(next === null ? [] : [`${' '.repeat(width + 11)}-> ${next}`]),
  ])
  return [
    ...lines,
    '',
    [counted(findings.length, 'check'), counted(count('fault'), 'fault'), counted(count('warning'), 'warning')].join(
      ', ',
    ),
  ]
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`
