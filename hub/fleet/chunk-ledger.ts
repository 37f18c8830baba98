// How often each device asked for each chunk. A device that cannot keep what it gets (a full disk, a bug) asks for ever,
// and each time the chunk would go to everyone who listens: the ledger ends that.

import type { Digest } from '@roost/shared/protocol/names.ts'
import type { Clock } from '../hub.ts'

/** A device that asked too often may ask again when its first ask is so old. */
export const asksRememberedMs = 600_000
/** One byte a chunk; beyond that what was asked longest ago is forgotten. */
const ledgerBytesMax = 32 * 1_048_576

export type ChunkLedger = {
  /** Notes the asks. @returns the indices that may be served: what it asks for the first time, and again */
  ask: (device: string, blob: Digest, chunkCount: number, indices: readonly number[]) => Asks
}

export type Asks = { first: number[]; again: number[] }

type Entry = { firstAt: number; asks: Uint8Array }

/** @param asksMax at most 255 */
export function chunkLedger(asksMax: number, clock: Clock): ChunkLedger {
  const entries = new Map<string, Entry>()
  let bytes = 0

  const forget = (key: string, { asks }: Entry) => {
    entries.delete(key)
    bytes -= asks.length
  }
  const entryOf = (key: string, chunkCount: number): Entry => {
    const known = entries.get(key)
    if (known !== undefined && clock() - known.firstAt < asksRememberedMs) return known
    if (known !== undefined) forget(key, known)
    const entry = { firstAt: clock(), asks: new Uint8Array(chunkCount) }
    entries.set(key, entry)
    bytes += chunkCount
    for (const [oldest, old] of entries) {
      if (bytes <= ledgerBytesMax) break
      forget(oldest, old)
    }
    return entry
  }

  return {
    ask: (device, blob, chunkCount, indices) => {
      const { asks } = entryOf(`${device}/${blob}`, chunkCount)
      const found: Asks = { first: [], again: [] }
      for (const index of indices) {
        const before = asks[index] ?? asksMax
        if (before >= asksMax) continue
        asks[index] = before + 1
        found[before === 0 ? 'first' : 'again'].push(index)
      }
      return found
    },
  }
}
