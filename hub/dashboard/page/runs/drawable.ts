// Which numbers a chart can draw. ECharts' axes end at round numbers, spans and ticks are doubles themselves: near the ends
// of what doubles can be it draws an empty frame. Its limits, held by a test against the library. Pure.

/** Beyond it the span from the least to the greatest may be infinite. */
const linearMost = 1e300
/** A logarithmic axis may end a hundred powers of ten further out. */
const logMost = 1e200
/** Ticks of less than some 1e-20 are one. */
const linearSpanLeast = 1e-18

export const isDrawable = (value: number, isLog: boolean): boolean =>
  isLog ? value >= 1 / logMost && value <= logMost : Math.abs(value) <= linearMost

/** `3 beyond ±1e300, not drawn`; undefined where all are. */
export function leftOut(values: readonly number[], isLog: boolean): string | undefined {
  const count = values.filter((value) => !isDrawable(value, isLog)).length
  if (count === 0) return undefined
  return `${count.toLocaleString('en')} ${isLog ? 'not between 1e-200 and 1e200' : 'beyond ±1e300'}, not drawn`
}

/** Why an axis of these would be an empty one; undefined where it is not. */
export function whyEmpty(values: readonly number[], isLog: boolean): string | undefined {
  const drawn = values.filter((value) => isDrawable(value, isLog))
  if (drawn.length === 0) {
    return isLog
      ? 'No value is between 1e-200 and 1e200: nothing can be drawn along a logarithmic axis.'
      : 'All values are beyond ±1e300: too large to draw.'
  }
  const greatest = drawn.reduce((most, value) => Math.max(most, value))
  const least = drawn.reduce((most, value) => Math.min(most, value))
  // a single value is drawn in the middle of an axis of its own size
  const span = greatest === least ? Math.abs(greatest) : greatest - least
  return isLog || span === 0 || span >= linearSpanLeast
    ? undefined
    : 'The values are closer together than 1e-18: too close to draw, but along a logarithmic axis.'
}
