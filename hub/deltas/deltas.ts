// Patches as the fleet uses them: which a device can be offered, and the making of those that are missing: each once, one
// at a time, in the background. Nobody waits for one: a device that is told of its new version before the patch is there
// begins with the whole file, and is told again when it is.

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Patch } from '@roost/shared/protocol/messages.ts'
import type { Hub } from '../hub.ts'
import { makePatchBlob, type Pair } from './make.ts'
import {
  forgetUnused,
  type KnownPair,
  keepDelta,
  offeredStatements,
  pairsOf,
  type Step,
  stepsOfRollout,
} from './store.ts'

/** Pairs that wait; a further one is left, and asked for again by the next device. */
export const waitingMax = 256
/** Devices told when a patch is there; what is beyond hears of it with its next hello. */
const listenersMax = 10_000

export type Deltas = {
  /** The patches there are for these steps of a device. Missing ones are made, and the device told then. */
  offer(device: string, steps: readonly Step[]): Promise<Patch[]>
  /** Makes what the rollout's devices will need, before their turn comes. */
  prepare(rollout: string): Promise<void>
  /** Resolves when nothing waits any more. */
  settled(): Promise<void>
  /** What is not made yet is asked for again after the next start. */
  close(): Promise<void>
}

type Waiting = { pair: Pair; listeners: Set<string> }

export function createDeltas(
  hub: Pick<Hub, 'config' | 'database' | 'blobs' | 'clock' | 'log'>,
  onMade: (devices: readonly string[]) => void,
): Deltas {
  const { config, database, blobs, clock, log } = hub
  const closing = new AbortController()
  const folder = join(config.dataDir, 'deltas')
  /** In order of asking; the first is being made. */
  const waiting = new Map<string, Waiting>()
  let working: Promise<void> | undefined

  const ask = ({ base, target }: Pair, device?: string) => {
    const key = `${base.sha256} ${target.sha256}`
    const known = waiting.get(key)
    if (known === undefined && waiting.size >= waitingMax) return
    const entry = known ?? { pair: { base, target }, listeners: new Set<string>() }
    if (device !== undefined && entry.listeners.size < listenersMax) entry.listeners.add(device)
    waiting.set(key, entry)
    working ??= work()
  }

  const work = async () => {
    try {
      await forgetUnused(database, clock())
      // what a hub that was killed left there
      await rm(folder, { recursive: true, force: true })
      await mkdir(folder, { mode: 0o700 })
      for (const [key, { pair, listeners }] of waiting) {
        if (closing.signal.aborted) return
        const isThere = await make(pair)
        waiting.delete(key)
        if (isThere && listeners.size > 0) onMade([...listeners])
      }
    } catch (error) {
      log.error({ err: error }, 'patches could not be made; the next device asks again')
    } finally {
      // in the same turn in which the last was found: who asks a moment later begins anew
      working = undefined
    }
  }

  const make = async (pair: Pair): Promise<boolean> => {
    const names = { base: pair.base.sha256, target: pair.target.sha256 }
    try {
      const startedAt = performance.now()
      const patch = await makePatchBlob(pair, blobs, folder, closing.signal)
      const ms = Math.round(performance.now() - startedAt)
      log.info({ ...names, ms, wholeBytes: pair.target.sizeBytes, patchBytes: patch?.sizeBytes }, 'a patch is made')
      await keepDelta(database, pair, patch === undefined ? { reason: 'not worth it' } : { patch }, clock())
      return patch !== undefined
    } catch (error) {
      if (closing.signal.aborted) return false
      log.error({ err: error, ...names }, 'a patch could not be made; the file goes whole')
      await keepDelta(database, pair, { reason: String(error).slice(0, 500) }, clock())
      return false
    }
  }

  const find = async (steps: readonly Step[], device?: string): Promise<KnownPair[]> => {
    const pairs = await pairsOf(database, steps)
    for (const pair of pairs) if (!pair.isKnown) ask(pair, device)
    return pairs.filter(({ patch }) => patch !== undefined)
  }

  const settled = async () => {
    while (working !== undefined) await working
  }

  return {
    offer: async (device, steps) => {
      const pairs = await find(steps, device)
      await database.write(offeredStatements(pairs, clock()))
      return pairs.flatMap(({ patch }) => patch ?? [])
    },
    prepare: async (rollout) => {
      await find(await stepsOfRollout(database, rollout))
    },
    settled,
    close: async () => {
      closing.abort(new Error('the hub stops'))
      await settled()
    },
  }
}
