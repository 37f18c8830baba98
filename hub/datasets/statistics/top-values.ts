// The most frequent values of a stream in bounded memory: exact until there are too many different ones, then after Misra
// and Gries, "Finding repeated elements" (1982): rare ones are dropped, and what was dropped bounds the error.

export type TopValues<V extends string | number> = {
  add(value: V): void
  /** Most frequent first, equally frequent ones in the order of the values. A count is never too high. */
  top(count: number): { value: V; count: number }[]
  /** By how much a count may be too low. */
  error(): number
  /** Every different value there was, while none has been dropped. */
  all(): Iterable<V> | undefined
  /** How many different values there were, while none has been dropped. */
  distinct(): number | undefined
}

/** @param room values that are kept when there are too many; twice as many are counted at a time
 *  @param onFull told once, just before values are dropped for the first time */
export function createTopValues<V extends string | number>(room: number, onFull: () => void): TopValues<V> {
  let counts = new Map<V, number>()
  let error = 0
  const order = (a: [V, number], b: [V, number]) => b[1] - a[1] || (a[0] < b[0] ? -1 : 1)
  const drop = () => {
    if (error === 0) onFull()
    const highest = [...counts].sort(order)
    const cut = highest[room]?.[1] ?? 0
    error += cut
    counts = new Map(
      highest.slice(0, room).flatMap(([value, count]): [V, number][] => (count > cut ? [[value, count - cut]] : [])),
    )
  }
  return {
    add: (value) => {
      counts.set(value, (counts.get(value) ?? 0) + 1)
      if (counts.size > 2 * room) drop()
    },
    top: (count) =>
      [...counts]
        .sort(order)
        .slice(0, count)
        .map(([value, count]) => ({ value, count })),
    error: () => error,
    all: () => (error === 0 ? counts.keys() : undefined),
    distinct: () => (error === 0 ? counts.size : undefined),
  }
}
