// A device of bench `wave`: the agent's own session, its judgement of assignments, its way of asking for chunks and its
// shipping. What it downloads stays in memory, verified chunk by chunk, and what it would run it says that it runs.

import { randomBytes } from 'node:crypto'
import { chunkCount, type HashedBlob, verifyChunk } from '@roost/shared/bundle/chunks.ts'
import { Profile } from '@roost/shared/profiles/profile.ts'
import { Ack, type Hello } from '@roost/shared/protocol/messages.ts'
import type { ProgressState } from '@roost/shared/protocol/progress.ts'
import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { chunkFilter } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { pino } from 'pino'
import { readChunkMessage } from '../../agent/download/chunk-message.ts'
import { beginWants, decideWant, noteAsked, noteChunk, type Wants, wantTimes } from '../../agent/download/plan.ts'
import { pinFirstRoot } from '../../agent/identity/pinned-state.ts'
import { Session } from '../../agent/link/session.ts'
import { createShipper } from '../../agent/outbox/shipping.ts'
import { acceptAssign } from '../../agent/reconcile/accept.ts'
import genericX64 from '../../firmware-profiles/generic-x64.json' with { type: 'json' }
import type { Enrolled } from './simulated-fleet.ts'

const profile = Profile.parse(genericX64)
const random = (size: number) => new Uint8Array(randomBytes(size))
const log = pino({ level: 'silent' })

export type WaveDevice = {
  /** Resolves when the hub has confirmed that it heard of the version's success. */
  succeeded: (version: number) => Promise<void>
  /** `performance.now()` when it was told of the version, and when it had all of it, verified. */
  times: (version: number) => { assignedMs: number; stagedMs: number }
  /** Bytes of chunk messages that reached it, those it had already among them. */
  chunkBytes: () => number
  close: () => Promise<void>
}

type Install = { manifest: string; attempt: number; version: number; generation: number; deployment: string }

/** Connects, says hello, and does what it is told from then on. Resolves when the hub has answered. */
export async function connectWaveDevice(url: string, { device, secret, root }: Enrolled): Promise<WaveDevice> {
  const epoch = randomBytes(8).toString('hex')
  const outbox = memoryOutbox(epoch)
  const answered = Promise.withResolvers<void>()
  const versions = new Map<number, PromiseWithResolvers<void>>()
  const times = new Map<number, { assignedMs: number; stagedMs: number }>()
  let pinned = pinFirstRoot(root)
  let nonce = random(16)
  let installing: Install | undefined
  /** Downloaded, and asked about once more. */
  let staged = false
  let chunkBytes = 0
  let onChunk: (topic: string, message: Uint8Array) => void = () => undefined

  const successOf = (version: number) => {
    const known = versions.get(version) ?? Promise.withResolvers<void>()
    versions.set(version, known)
    return known
  }
  const session = new Session(
    {
      url,
      device,
      secret,
      ca: undefined,
      backoff: { minMs: 100, maxMs: 1_000 },
      deadlineMs: 60_000,
      now: () => performance.now(),
      random,
      log,
    },
    {
      onUp: () => hello(),
      onDown: () => {
        shipper.onDisconnect()
        answered.reject(new Error(`${device} was cut off`))
      },
      onMessage: (kind, bytes) => {
        if (kind === 'assign') judge(bytes)
        if (kind !== 'ack') return
        const ack = decode(Ack, bytes)
        if (!ack.ok) throw new Error(ack.reason)
        shipper.onAck(ack.message)
        answered.resolve()
      },
      onOther: (topic, message) => {
        chunkBytes += message.length
        onChunk(topic, message)
      },
    },
  )
  const shipper = createShipper({
    outbox,
    publish: (reports) => session.publish('reports', encode(reports), 1),
    log,
    random,
  })

  function hello(): void {
    nonce = random(16)
    const said: Hello = {
      nonce,
      agent: '0.1.0',
      profile: profile.name,
      rootVersion: 1,
      generation: pinned.generation,
      slots: [],
      denied: [],
      outbox: { epoch, head: outbox.head, tail: 1 },
      stale: false,
    }
    void session.publish('hello', encode(said), 1)
  }

  function judge(bytes: Uint8Array): void {
    const { pinned: next, accepted } = acceptAssign(pinned, bytes, { device, profile, nonce, timeMs: Date.now() })
    pinned = next
    const [bundle] = accepted?.bundles ?? []
    if (accepted === undefined || bundle === undefined) return
    const { deployment, manifest, attempt, version } = bundle
    if (installing?.manifest === manifest) {
      if (staged) activate(installing)
      return
    }
    if (installing !== undefined) return
    installing = { manifest, attempt, version, generation: accepted.assignment.generation, deployment }
    staged = false
    const files = accepted.manifests.get(manifest)?.files ?? []
    const own = installing
    const when = { assignedMs: performance.now(), stagedMs: Number.NaN }
    times.set(version, when)
    tell(own, 'accepted', 'downloading')
    fetchAll(files).then(
      () => {
        when.stagedMs = performance.now()
        tell(own, 'staged')
        staged = true
        hello()
      },
      (error: unknown) => answered.reject(error),
    )
  }

  function activate(own: Install): void {
    staged = false
    installing = undefined
    const seq = tell(own, 'activating', 'probation', 'succeeded')
    void outbox.confirmed(seq).then(() => successOf(own.version).resolve())
  }

  function tell({ deployment, manifest, generation, attempt }: Install, ...states: ProgressState[]): number {
    return outbox.append(
      states.map((state) => ({
        kind: 'event',
        event: 'progress',
        at: Date.now(),
        deployment,
        manifest,
        generation,
        attempt,
        state,
      })),
    )
  }

  async function fetchAll(files: readonly HashedBlob[]): Promise<void> {
    for (const file of files) await fetchBlob(file)
  }

  function fetchBlob(file: HashedBlob): Promise<void> {
    const missing = new Set(Array.from({ length: chunkCount(file) }, (_, index) => index))
    const wants: Wants = beginWants(missing, missing.size, performance.now())
    const filter = chunkFilter(file.sha256)
    const done = Promise.withResolvers<void>()
    let timer: NodeJS.Timeout | undefined
    function step(): void {
      clearTimeout(timer)
      const decision = decideWant(wants, performance.now(), wantTimes)
      if (decision.kind === 'done') done.resolve()
      else if (decision.kind === 'stalled') done.reject(new Error(`${device} gets no chunks`))
      else if (decision.kind === 'wait') timer = setTimeout(step, decision.waitMs)
      else {
        noteAsked(wants, decision, performance.now())
        void session.publish('want', encode({ blob: file.sha256, indices: decision.indices }), 0)
        step()
      }
    }
    onChunk = (topic, message) => {
      const chunk = readChunkMessage(file, topic, message)
      if (chunk === undefined || !missing.has(chunk.index) || !verifyChunk(file, chunk.index, chunk.bytes)) return
      missing.delete(chunk.index)
      noteChunk(wants, chunk.index, performance.now())
      step()
    }
    void session.subscribe(filter).then(step)
    return done.promise.finally(() => session.unsubscribe(filter))
  }

  session.start()
  await answered.promise
  return {
    succeeded: (version) => successOf(version).promise,
    times: (version) => times.get(version) ?? { assignedMs: Number.NaN, stagedMs: Number.NaN },
    chunkBytes: () => chunkBytes,
    close: async () => {
      await shipper.close()
      await session.close()
    },
  }
}

/** What shipping needs of an outbox, without a disk. */
function memoryOutbox(epoch: string) {
  const records: { seq: number; from: number; body: Uint8Array }[] = []
  const waiting: { seq: number; resolve: () => void }[] = []
  let listener: () => void = () => undefined
  let acknowledged = 0
  return {
    epoch,
    get head() {
      return records.length
    },
    append: (events: readonly DeviceEvent[]): number => {
      for (const event of events) {
        const seq = records.length + 1
        records.push({ seq, from: seq, body: encode(event) })
      }
      listener()
      return records.length
    },
    confirmed: (seq: number): Promise<void> =>
      seq <= acknowledged ? Promise.resolve() : new Promise((resolve) => waiting.push({ seq, resolve })),
    read: (afterSeq: number, limits: { recordsMax: number }) =>
      Promise.resolve(records.slice(afterSeq, afterSeq + limits.recordsMax)),
    acknowledge: (seq: number): Promise<void> => {
      acknowledged = seq
      for (const one of waiting.filter((one) => one.seq <= seq)) one.resolve()
      waiting.splice(0, waiting.length, ...waiting.filter((one) => one.seq > seq))
      return Promise.resolve()
    },
    onDurable: (told: () => void) => {
      listener = told
      return () => {
        listener = () => undefined
      }
    },
  }
}
