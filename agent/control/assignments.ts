// What happens with each `assign` message: judged (accept.ts), what is pinned made durable, its manifests kept, and only
// then handed on. One at a time. What was refused is told to the hub, each kind at most once in a while: whoever owns the
// network may send rubbish as fast as they like, and it must not fill the outbox.

import type { Profile } from '@roost/shared/profiles/profile.ts'
import type { Patch } from '@roost/shared/protocol/messages.ts'
import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import type { Logger } from 'pino'
import { systemCode } from '../durable-file.ts'
import type { PinnedState } from '../identity/pinned-state.ts'
import type { Question } from '../link/link.ts'
import { type AcceptedAssign, acceptAssign, type Refusal } from '../reconcile/accept.ts'
import type { Wish } from '../reconcile/target.ts'
import type { SealedKeys } from '../sealing/sealed-keys.ts'
import type { Manifests } from './manifests.ts'

/** Messages that wait to be judged; beyond it the oldest is dropped, a newer one says more. */
export const waitingMax = 16
/** A refusal of one kind is reported once in this time. */
export const refusalEveryMs = 600_000

export type AssignmentsOptions = {
  device: string
  profile: Profile
  pinned: PinnedState
  manifests: Manifests
  sealedKeys: Pick<SealedKeys, 'put'>
  /** Durable when it resolves.
   *  @throws the file system's error */
  save: (pinned: PinnedState) => Promise<void>
  onWish: (wish: Wish) => void
  /** Before the wish: shorter ways to its files. */
  onPatches: (patches: readonly Patch[]) => void
  onEvent: (event: DeviceEvent) => void
  /** Monotonic milliseconds. */
  now: () => number
  wallClock: () => number
  log: Pick<Logger, 'debug' | 'info' | 'warn' | 'error'>
}

type Arrival = { bytes: Uint8Array; latest: Question; earlier: readonly Question[] }

export class Assignments {
  readonly #options: AssignmentsOptions
  readonly #reportedAt = new Map<Refusal['code'], number>()
  #pinned: PinnedState
  /** When the latest signed time was learnt (monotonic ms). */
  #timeAt: number
  #waiting: Arrival[] = []
  #working: Promise<void> | undefined
  #closed = false

  constructor(options: AssignmentsOptions) {
    this.#options = options
    this.#pinned = options.pinned
    this.#timeAt = options.now()
  }

  get pinned(): PinnedState {
    return this.#pinned
  }

  take(bytes: Uint8Array, questions: Omit<Arrival, 'bytes'>): void {
    if (this.#closed) return
    this.#waiting = [...this.#waiting, { bytes, ...questions }].slice(-waitingMax)
    this.#working ??= this.#work()
  }

  /** Resolves when everything that came is dealt with. */
  async settled(): Promise<void> {
    await this.#working
  }

  /** Resolves when what came is dealt with; nothing is taken any more. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#working
  }

  async #work(): Promise<void> {
    for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift()) await this.#judge(next)
    this.#working = undefined
  }

  async #judge({ bytes, latest, earlier }: Arrival): Promise<void> {
    const outcome = this.#outcomeOf(bytes, latest.nonce)
    try {
      if (outcome.pinned !== this.#pinned) await this.#pin(outcome.pinned)
      if (outcome.accepted !== undefined) return await this.#accept(outcome.accepted, latest)
    } catch (error) {
      // Nothing may be done about it before it is on disk; the hub is asked again with the next hello.
      if (systemCode(error) === undefined) throw error
      this.#options.log.error({ err: error }, 'an assignment could not be kept')
      return
    }
    const isLate = earlier.some(({ nonce }) => this.#outcomeOf(bytes, nonce).accepted !== undefined)
    if (outcome.refused.code === 'nonce' && isLate)
      this.#options.log.debug('an answer to an earlier hello is left aside')
    else this.#refuse(outcome.refused)
  }

  #outcomeOf(bytes: Uint8Array, nonce: Uint8Array) {
    const { device, profile, now, manifests } = this.#options
    const timeMs = this.#pinned.timeFloorMs + (now() - this.#timeAt)
    const held = (digest: string) => manifests.envelopeOf(digest)
    return acceptAssign(this.#pinned, bytes, { device, profile, nonce, timeMs, held })
  }

  async #pin(pinned: PinnedState): Promise<void> {
    await this.#options.save(pinned)
    if (pinned.timeFloorMs !== this.#pinned.timeFloorMs) this.#timeAt = this.#options.now()
    this.#pinned = pinned
  }

  async #accept(
    { assignment, manifests, envelopes, keys, bundles, shadows, expired, patches }: AcceptedAssign,
    latest: Question,
  ): Promise<void> {
    await this.#options.manifests.put(manifests, envelopes)
    this.#options.onPatches(patches)
    await this.#options.sealedKeys.put(keys, manifests)
    const { generation } = assignment
    this.#options.log.info({ event: 'assigned', generation, bundles, shadows, expired }, 'an assignment is accepted')
    this.#options.onWish({ generation, bundles, shadows, hello: latest.ordinal, askedAt: latest.askedAt, expired })
  }

  #refuse({ code, detail }: Refusal): void {
    const { now, wallClock, log, onEvent } = this.#options
    log.warn({ event: 'refused', code }, detail)
    const reportedAt = this.#reportedAt.get(code)
    if (reportedAt !== undefined && now() - reportedAt < refusalEveryMs) return
    this.#reportedAt.set(code, now())
    onEvent({ kind: 'event', event: 'refused', at: wallClock(), code, detail: detail.slice(0, 500) })
  }
}
