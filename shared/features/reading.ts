// How one field of a raw record is read: as a number, a time, an answer, a key. A record comes as JSON from a
// device, as text from a CSV file or a message bus; the same reading must give the same bits from either.

/** Longest text that is tried as a number or a time; anything longer is missing. */
const textLengthMax = 64
const keyLengthMax = 256
/** The last millisecond that ECMAScript's time value can hold. */
const timeMsMax = 8.64e15

const decimal = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?$/
const rfc3339 =
  /^(\d{4})-(\d{2})-(\d{2})[Tt ]([01]\d|2[0-3]):([0-5]\d):([0-5]\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])([01]\d|2[0-3]):([0-5]\d))$/

/** A number, a decimal text, or a truth value as 1 or 0; NaN for all else (missing), also for what is not finite as
 *  a 32-bit float: such a value could neither enter the model nor a window without spoiling it. */
export function readNumber(value: unknown): number {
  const number = typeof value === 'number' ? value : typeof value === 'boolean' ? Number(value) : textNumber(value)
  return Number.isFinite(Math.fround(number)) ? number : Number.NaN
}

/** Milliseconds since 1970, fraction kept, from a number, a decimal text or an RFC 3339 text; NaN for all else. */
export function readTimeMs(value: unknown): number {
  const timeMs = typeof value === 'number' ? value : calendarMs(value)
  return timeMs >= 0 && timeMs <= timeMsMax ? timeMs : Number.NaN
}

/** true, false, 1, 0, also as texts; undefined for all else. */
export function readLabel(value: unknown): boolean | undefined {
  const number = readNumber(value)
  return number === 1 ? true : number === 0 ? false : undefined
}

/** A number, truth value or text as the text it prints as, so that 1 and '1' are one key; undefined for all else. */
export function readKey(value: unknown): string | undefined {
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'boolean') return undefined
  const key = typeof value === 'string' ? value : String(value)
  return key.length > 0 && key.length <= keyLengthMax ? key : undefined
}

function textNumber(value: unknown): number {
  if (typeof value !== 'string' || value.length > textLengthMax) return Number.NaN
  const text = value.trim()
  if (decimal.test(text)) return Number(text)
  return text === 'true' ? 1 : text === 'false' ? 0 : Number.NaN
}

function calendarMs(value: unknown): number {
  if (typeof value !== 'string' || value.length > textLengthMax) return Number.NaN
  const text = value.trim()
  if (decimal.test(text)) return Number(text)
  const parts = rfc3339.exec(text)
  if (parts === null) return Number.NaN
  const [, year, month, day, hour, minute, second, fraction = '', sign, offsetHours = '0', offsetMinutes = '0'] = parts
  const midnight = new Date(Date.UTC(Number(year), Number(month) - 1, Number(day)))
  // Date rolls 30 February over into March, and reads the years 0 to 99 as 1900 to 1999.
  if (midnight.toISOString().slice(0, 10) !== `${year}-${month}-${day}`) return Number.NaN
  const offsetMs = (Number(offsetHours) * 60 + Number(offsetMinutes)) * 60_000 * (sign === '-' ? -1 : 1)
  const clockMs = ((Number(hour) * 60 + Number(minute)) * 60 + Number(second)) * 1000
  return midnight.getTime() + clockMs + Number(fraction.padEnd(9, '0')) / 1e6 - offsetMs
}
