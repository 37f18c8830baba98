// Numbers, names and times in sentences for people.

/** `1 device`, `3 devices`, `1 device is`, `2 devices are`.
 *  @param many where it is not `one` with an s */
export const counted = (count: number, one: string, many = `${one}s`): string =>
  `${count.toLocaleString('en')} ${count === 1 ? one : many}`

/** `a, b, c`, and how many more there are.
 *  @param max so many are named */
export const named = (names: readonly string[], max = 10): string =>
  names.length <= max ? names.join(', ') : `${names.slice(0, max).join(', ')} and ${names.length - max} more`

/** `2026-11-24 08:15:02`, UTC: as everything that is written for people says times. */
export const utcTime = (ms: number): string => new Date(ms).toISOString().slice(0, 19).replace('T', ' ')
