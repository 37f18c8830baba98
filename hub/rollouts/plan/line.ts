// The line in which the devices of a rollout stand. Every stage takes the first of it, so how they stand is what makes
// a canary resemble the rest.

import { createHash } from 'node:crypto'

/** `present`: connected when it was drawn. `away`: not. `aside`: failed so often of late that it is kept out of canaries. */
export const standings = ['present', 'away', 'aside'] as const
export type Standing = (typeof standings)[number]

export type Waiting = { device: string; stratum: string; standing: Standing }
/** `rank`: 0 … 1, the device's hash. `place`: 1 for the first of the line. */
export type InLine = Waiting & { rank: number; place: number }

/** Among devices of one standing, the first k of the line have of every stratum its share of k, rounded up or down; all
 *  that are present stand before those that are away, and those before the ones put aside. Within a stratum the hash
 *  decides. Does not depend on the order of `devices`. */
export function standInLine(rollout: string, devices: readonly Waiting[]): InLine[] {
  const ranked = devices.map((device) => ({ ...device, rank: unitHash(rollout, device.device) }))
  const spread = spreadStrata(
    [...Map.groupBy(ranked, ({ stratum }) => stratum).values()].map((all) => all.sort(byStanding)),
  )
  // a stable sort: who is away gives up the place, the others keep their order
  return spread.sort((a, b) => order(a) - order(b)).map((device, i) => ({ ...device, place: i + 1 }))
}

/** First 48 bits of sha256(rollout, device) as a number in [0, 1), cut to twelve decimals: SQLite writes numbers into JSON
 *  with fifteen digits, and what is read again must be what was drawn. */
export function unitHash(rollout: string, device: string): number {
  const digest = createHash('sha256').update(`${rollout}\0${device}`).digest()
  return Math.floor((digest.readUIntBE(0, 6) / 2 ** 48) * 1e12) / 1e12
}

type Ranked = Waiting & { rank: number }

const order = ({ standing }: Waiting): number => standings.indexOf(standing)
const byRank = (a: Ranked, b: Ranked): number => a.rank - b.rank || (a.device < b.device ? -1 : 1)
const byStanding = (a: Ranked, b: Ranked): number => order(a) - order(b) || byRank(a, b)

/** Puts the strata's members one after another such that each prefix of length h has floor or ceil of h n/N of every
 *  stratum (n of N devices). The i-th member of a stratum (from 0) may stand at place floor(iN/n) + 1 at the earliest and
 *  at ceil((i + 1)N/n) at the latest; the one whose latest place is nearest goes first, which meets all of them
 *  (Steiner and Yeomans 1993, just-in-time sequencing). */
function spreadStrata(strata: readonly (readonly Ranked[])[]): Ranked[] {
  const total = strata.reduce((sum, members) => sum + members.length, 0)
  const ready = new Queue()
  const later = new Map<number, Due[]>()
  const admit = (members: readonly Ranked[], i: number, place: number) => {
    const device = members[i]
    if (device === undefined) return
    const due = { device, members, i, latest: Math.ceil(((i + 1) * total) / members.length) }
    const earliest = Math.floor((i * total) / members.length) + 1
    if (earliest <= place) ready.push(due)
    else later.set(earliest, [...(later.get(earliest) ?? []), due])
  }
  for (const members of strata) admit(members, 0, 1)
  const line: Ranked[] = []
  for (let place = 1; place <= total; place++) {
    for (const due of later.get(place) ?? []) ready.push(due)
    later.delete(place)
    const next = ready.pop()
    if (next === undefined) throw new Error(`nobody may stand at place ${place} of ${total}`)
    line.push(next.device)
    admit(next.members, next.i + 1, place + 1 > total ? total : place + 1)
  }
  return line
}

type Due = { device: Ranked; members: readonly Ranked[]; i: number; latest: number }

const isBefore = (a: Due, b: Due): boolean =>
  a.latest < b.latest || (a.latest === b.latest && byRank(a.device, b.device) < 0)

/** A binary heap, nearest latest place first. */
class Queue {
  readonly #heap: Due[] = []

  push(due: Due): void {
    const heap = this.#heap
    heap.push(due)
    for (let i = heap.length - 1; i > 0; ) {
      const parent = (i - 1) >> 1
      if (!this.#swapIf(i, parent)) return
      i = parent
    }
  }

  pop(): Due | undefined {
    const heap = this.#heap
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined || heap.length === 0) return first
    heap[0] = last
    for (let i = 0; ; ) {
      const [left, right] = [heap[2 * i + 1], heap[2 * i + 2]]
      if (left === undefined) return first
      const child = right !== undefined && isBefore(right, left) ? 2 * i + 2 : 2 * i + 1
      if (!this.#swapIf(child, i)) return first
      i = child
    }
  }

  /** Swaps the two where `lower` goes before `upper`. */
  #swapIf(lower: number, upper: number): boolean {
    const heap = this.#heap
    const [a, b] = [heap[lower], heap[upper]]
    if (a === undefined || b === undefined || !isBefore(a, b)) return false
    heap[lower] = b
    heap[upper] = a
    return true
  }
}
