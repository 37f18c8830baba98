// What the chunk server remembers of chunks: the encoded bytes of some, and when each went last.

/** When each chunk went last, of those of the last minute. Times are monotonic milliseconds. */
export function sentLately() {
  const rememberedMs = 60_000
  const rememberedMax = 65_536 // 4 GiB of chunks; beyond that the oldest are forgotten
  const doublingsMax = 2
  const entries = new Map<string, { at: number; times: number }>()
  return {
    note: (topic: string) => {
      const now = performance.now()
      const before = entries.get(topic)
      entries.delete(topic)
      entries.set(topic, { at: now, times: (before?.times ?? 0) + 1 })
      for (const [oldest, { at }] of entries) {
        if (at > now - rememberedMs && entries.size <= rememberedMax) break
        entries.delete(oldest)
      }
    },
    /** From when on it may go to a device that had asked for it before. */
    againFrom: (topic: string, afterMs: number): number => {
      const last = entries.get(topic)
      return last === undefined ? 0 : last.at + afterMs * 2 ** Math.min(last.times - 1, doublingsMax)
    },
  }
}

/** The last used bytes, up to `bytesMax`. */
export function byteCache(bytesMax: number): {
  get(key: string): Uint8Array | undefined
  set(key: string, value: Uint8Array): void
} {
  const entries = new Map<string, Uint8Array>()
  let bytes = 0
  return {
    get: (key) => {
      const value = entries.get(key)
      if (value !== undefined) {
        entries.delete(key)
        entries.set(key, value)
      }
      return value
    },
    set: (key, value) => {
      bytes += value.length - (entries.get(key)?.length ?? 0)
      entries.set(key, value)
      for (const [oldest, old] of entries) {
        if (bytes <= bytesMax) break
        entries.delete(oldest)
        bytes -= old.length
      }
    },
  }
}
