// A device with real runtime processes, a real socket, real slots and a real outbox; only the hub and the downloads are
// played. What is wished is known at once, and every hello is answered.

import { join } from 'node:path'
import { Runtimes } from '@roost/agent/control/runtimes.ts'
import { type OutboxDisk, realDisk } from '@roost/agent/outbox/disk.ts'
import { OpenWindows } from '@roost/agent/outbox/open-windows.ts'
import type { Outbox } from '@roost/agent/outbox/outbox.ts'
import { feedBeside } from '@roost/agent/reconcile/beside.ts'
import type { Bundle } from '@roost/agent/reconcile/bundle-set.ts'
import type { Ports } from '@roost/agent/reconcile/execute.ts'
import type { ProbationLimits } from '@roost/agent/reconcile/probation.ts'
import { Reconciler } from '@roost/agent/reconcile/reconciler.ts'
import type { WishedShadow } from '@roost/agent/reconcile/shadow-set.ts'
import { loadSlots, openSlotStorage } from '@roost/agent/reconcile/slot-storage.ts'
import type { Slots } from '@roost/agent/reconcile/slots.ts'

import type { LoadedBundle, ReplayPositions, ReplaySource } from '@roost/agent/runtime/messages.ts'
import type { DeviceEvent, WindowReport } from '@roost/shared/protocol/records.ts'
import { bodyOf, openOutbox, readAll, silent } from '../outbox/an-outbox.ts'
import { aWorld, type BundleParts, type World } from '../runtime/a-runtime.ts'

export type Device = AsyncDisposable & {
  url: string
  slots: () => Slots
  /** May be changed at any time: what a version has to prove from then on. */
  probation: ProbationLimits
  /** The states told of an attempt, in order, with the reason where there is one. */
  story: (bundle: Bundle) => string[]
  events: readonly DeviceEvent[]
  bundle: (parts: BundleParts & { attempt?: number }) => Promise<Bundle>
  wish: (...bundles: Bundle[]) => void
  /** What runs beside what is wished. */
  wishShadows: (...shadows: WishedShadow[]) => void
  /** Runtime processes that live, with what they run. */
  alive: () => { phase: string; versions: number[] }[]
  /** Inputs that the shadow which runs has repeated so far, or could not. */
  compared: () => number
  /** The process that serves, by the number it was started under: another one after every restart. */
  serving: () => number[]
  /** Rows replayed so far, as last told. */
  positions: () => ReplayPositions
  /** Of all windows that were closed; the open ones are closed by `stop`. */
  windows: () => Promise<WindowReport[]>
  /** As a service manager does: everything ends and is written. */
  stop: () => Promise<void>
}

export type DeviceOptions = {
  world?: World
  mode?: 'warm' | 'stop-start'
  probation?: Partial<ProbationLimits>
  replay?: readonly ReplaySource[]
  /** Memory for all models together. */
  memoryBytesMax?: number
  /** Of the outbox and its checkpoints. */
  outboxDisk?: OutboxDisk
}

export async function aDevice(options: DeviceOptions = {}): Promise<Device> {
  const world = options.world ?? (await aWorld())
  const { folder, socket, url } = world
  const loaded = new Map<string, LoadedBundle>()
  const versions = new Map<string, number>()
  const events: DeviceEvent[] = []
  const failures: unknown[] = []
  const disk = options.outboxDisk ?? realDisk
  const outbox = await openOutbox(join(folder, 'outbox'), { clock: Date.now, disk })
  const windows = await OpenWindows.open(join(folder, 'outbox'), { outbox, log: silent, disk })
  let hellos = { count: 0, at: 0 }
  let generation = 0
  let wished: Bundle[] | undefined
  let shadows: WishedShadow[] = []

  const now = () => performance.now()
  const runtimes = new Runtimes({
    socket,
    files: {
      locate: ({ manifest }) => {
        const bundle = loaded.get(manifest)
        if (bundle === undefined) throw new TypeError(`${manifest} is not here`)
        return bundle
      },
      recheck: async () => undefined,
    },
    windows,
    serving: { bodyBytesMax: 1024 ** 2, threads: 1 },
    replay: options.replay ?? [],
    memoryBytesMax: options.memoryBytesMax ?? 1024 ** 3,
    workFolder: folder,
    now,
    log: silent,
    onEvent: (event) => reconciler.tell(event),
    changed: () => reconciler.wake(),
  })

  const answer = () => {
    if (wished === undefined) return
    reconciler.accept({ generation, bundles: wished, shadows, hello: hellos.count, askedAt: hellos.at, expired: false })
  }
  const ports: Ports = {
    slots: openSlotStorage(folder, (error) => failures.push(error)),
    outbox: {
      appendNow: async (appended) => {
        const kept = await outbox.appendNow(appended)
        events.push(...appended.slice(0, kept))
        return kept
      },
    },
    files: {
      stateOf: (manifest) => (loaded.has(manifest) ? { state: 'present' } : { state: 'missing' }),
      misfitBeside: (candidate, primary) => {
        const [one, other] = [candidate, primary].map((digest) => loaded.get(digest)?.manifest)
        const feed = one && other && feedBeside(one, other)
        return feed !== undefined && 'why' in feed ? feed.why : undefined
      },
      fetching: () => [],
      fetch: () => undefined,
      cancel: () => undefined,
      forgetFailure: () => undefined,
      keep: async () => undefined,
    },
    runtimes,
    link: {
      isConnected: () => true,
      hello: () => {
        hellos = { count: hellos.count + 1, at: now() }
        queueMicrotask(answer)
      },
      hellos: () => hellos,
    },
    now,
    wallClock: Date.now,
    log: silent,
  }
  const probation = { durationMs: 0, errorShareMax: 0.05, ...options.probation }
  const { slots, repair } = await loadSlots(folder)
  if (repair !== undefined) failures.push(repair)
  const limits: ConstructorParameters<typeof Reconciler>[2] = { switch: options.mode ?? 'warm', probation }
  const reconciler = new Reconciler(slots, ports, limits, (error) => failures.push(error))
  reconciler.start()

  let stopped: Promise<void> | undefined
  async function end(): Promise<void> {
    await reconciler.close()
    await runtimes.close()
    await outbox.flush()
    if (failures.length > 0) throw new AggregateError(failures, 'what should never happen')
  }
  const stop = () => {
    stopped ??= end()
    return stopped
  }

  return {
    url,
    slots: () => reconciler.slots,
    probation,
    events,
    story: ({ manifest, attempt }) =>
      events.flatMap((event) =>
        event.event === 'progress' && event.manifest === manifest && event.attempt === attempt
          ? [event.reason === undefined ? event.state : `${event.state}: ${event.reason}`]
          : [],
      ),
    async bundle({ attempt = 1, ...parts }) {
      const bundle = await world.bundle(parts)
      const { deployment, digest, manifest } = bundle
      loaded.set(digest, bundle)
      versions.set(digest, manifest.version)
      return { deployment, manifest: digest, attempt, model: manifest.model, version: manifest.version }
    },
    wish(...bundles) {
      generation += 1
      wished = bundles
      answer()
    },
    wishShadows(...next) {
      generation += 1
      shadows = next
      answer()
    },
    alive: () =>
      runtimes
        .all()
        .filter(({ phase }) => phase !== 'dead')
        .map(({ phase, key, shadows: beside }) => ({
          phase: beside === undefined ? phase : `shadow ${phase}`,
          versions: [...versions].flatMap(([digest, version]) => (key.includes(digest) ? [version] : [])),
        })),
    compared: () =>
      runtimes
        .all()
        .filter(({ phase, shadows: beside }) => beside !== undefined && phase === 'ready')
        .flatMap(({ observed }) => [...observed.values()])
        .reduce((sum, { ok, error }) => sum + ok + error, 0),
    serving: () => runtimes.all().flatMap(({ phase, id }) => (phase === 'serving' ? [id] : [])),
    positions: () => runtimes.replayed,
    windows: () => windowsIn(outbox),
    stop,
    async [Symbol.asyncDispose]() {
      await stop()
      await windows.close()
      await outbox.close()
      if (options.world === undefined) await world[Symbol.asyncDispose]()
    },
  }
}

async function windowsIn(outbox: Outbox): Promise<WindowReport[]> {
  return (await readAll(outbox)).map(bodyOf).filter((body) => body.kind === 'window')
}
