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

const sizeUnits = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** `1.5 MiB` of 1,572,864 bytes: three digits that count, as everything says sizes. */
export function inBytes(sizeBytes: number): string {
  const power = Math.max(0, Math.min(sizeUnits.length - 1, Math.floor(Math.log2(Math.abs(sizeBytes)) / 10)))
  return `${(sizeBytes / 1024 ** power).toLocaleString('en', { maximumSignificantDigits: 3 })} ${sizeUnits[power]}`
}

/** `3.81 MiB (4,000,000 bytes)`: where the last byte decides, and for whoever thinks in powers of ten. */
export const inAllBytes = (sizeBytes: number): string =>
  Math.abs(sizeBytes) < 1024 ? counted(sizeBytes, 'byte') : `${inBytes(sizeBytes)} (${counted(sizeBytes, 'byte')})`
