// The control process put together: identity, link, downloads, slots, runtimes and outbox, and the reconciler among them;
// and taken apart in the order in which nothing is lost.

import { setTimeout as delay } from 'node:timers/promises'
import { upTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import type { Logger } from 'pino'
import type { AgentConfig } from '../config.ts'
import { BlobHttp } from '../download/http-way.ts'
import type { ChunkLink } from '../download/mqtt-way.ts'
import { brokerAuthority, type Identity, IdentityError, identityFolder, loadIdentity } from '../identity/device.ts'
import { loadPinnedState, type PinnedState, savePinnedState } from '../identity/pinned-state.ts'
import { Link } from '../link/link.ts'
import type { Outbox } from '../outbox/outbox.ts'
import { createShipper } from '../outbox/shipping.ts'
import type { Ports } from '../reconcile/execute.ts'
import { Reconciler } from '../reconcile/reconciler.ts'
import { openServingSocket } from '../reconcile/serving-socket.ts'
import { Assignments } from './assignments.ts'
import { BundleFiles } from './bundle-files.ts'
import { describeDevice } from './hello.ts'
import { lockFolder } from './lock.ts'
import { Runtimes } from './runtimes.ts'
import { keepStatus, readStatus } from './status.ts'
import { openStores } from './stores.ts'

export type RunningAgent = {
  device: string
  servingUrl: string
  /** Stops the runtimes, makes durable what they said, ships what the hub takes in a moment. */
  close: () => Promise<void>
}

export type AgentContext = {
  version: string
  log: Logger
  random: (size: number) => Uint8Array
  /** Monotonic milliseconds. */
  now: () => number
  /** Milliseconds since 1970. */
  wallClock: () => number
  /** Told of what should never happen; the process cannot go on. */
  onFailure: (error: unknown) => void
}

export const mqttDeadlineMs = 10_000
/** The longest first pause before the broker is tried again; doubled with each further try. */
export const reconnectMinMs = 1_000
export const helloRetryMs = 5_000
/** At a clean stop the hub gets so long to confirm what is durable; the rest waits for the next start. */
const shipMsMax = 3_000
const shipLookMs = 20

/** @throws IdentityError, PinnedStateError, FolderInUseError, ServingSocketError, the file system's errors */
export async function startAgent(config: AgentConfig, context: AgentContext): Promise<RunningAgent> {
  const opened = new AsyncDisposableStack()
  try {
    return await open(config, context, opened)
  } catch (error) {
    await opened.disposeAsync()
    throw error
  }
}

async function open(config: AgentConfig, context: AgentContext, opened: AsyncDisposableStack): Promise<RunningAgent> {
  const { log, random, now, wallClock, version } = context
  const { dir } = config
  const { identity, pinned } = await loadDevice(dir, log)
  const { device, profile } = identity
  const lock = await lockFolder(dir)
  opened.defer(() => lock.close())
  const socket = openServingSocket(config.serve)
  opened.defer(() => socket.close())
  const stores = await openStores({ dir, profile, wallClock, random, log }, opened)
  const { outbox, windows, manifests, sealedKeys, blobs } = stores

  const before = await readStatus(dir)
  const hubUrl = config.hubUrl ?? identity.hubUrl
  const certificateAuthority = identity.certificateAuthority
  const http = new BlobHttp({ hubUrl, device, secret: () => identity.secret, certificateAuthority })
  opened.defer(() => http.close())

  const chunkListeners = new Set<(topic: string, bytes: Uint8Array) => void>()
  const link: Link = new Link(
    {
      url: config.mqttUrl ?? identity.mqttUrl,
      device,
      secret: identity.secret,
      ca: brokerAuthority(identity),
      backoff: { minMs: Math.min(reconnectMinMs, config.reconnectMaxMs), maxMs: config.reconnectMaxMs },
      deadlineMs: mqttDeadlineMs,
      now,
      random,
      log,
      freshness: { helloIntervalMs: config.helloIntervalMs, helloRetryMs, staleAfterMs: config.staleAfterMs },
      alreadyWithoutMs: before?.withoutAnswerMs ?? 0,
      describe: () =>
        describeDevice({
          agent: version,
          profile: profile.name,
          pinned: assignments.pinned,
          slots: reconciler.slots,
          shadows: runtimes.shadowing,
          outbox,
        }),
    },
    {
      onAssign: (bytes, questions) => assignments.take(bytes, questions),
      onAck: (ack) => shipper.onAck(ack),
      onCommand: (command) => {
        if (command.kind === 'report-now') runtimes.reportNow()
        else if (command.kind === 'hello-now') {
          // A hub that asks may have been away, and lost what was on its way: its answer says where to go on.
          shipper.onDisconnect()
          link.hello()
        } else log.level = command.level
      },
      onOther: (topic, bytes) => {
        for (const listener of chunkListeners) listener(topic, bytes)
      },
      onUp: () => {
        log.info({ event: 'connected' }, 'connected to the hub')
        reconciler.wake()
      },
      onDown: () => {
        log.info({ event: 'disconnected' }, 'the connection to the hub is lost')
        shipper.onDisconnect()
      },
      onStale: (stale) => {
        log.warn({ event: stale ? 'stale' : 'fresh' }, 'how fresh the hub’s word is has changed')
        const detail = `${Math.round(link.withoutAnswerMs / 1000)} s without a fresh answer of the hub`
        reconciler.tell({ kind: 'event', event: stale ? 'stale' : 'fresh', at: wallClock(), detail })
      },
    },
  )
  const shipper = createShipper({
    outbox,
    publish: (reports) => link.publish('reports', encode(reports), 1),
    log,
    random,
  })
  opened.defer(() => shipper.close())

  const changed = () => reconciler.wake()
  const onPatchFailed = (detail: string) =>
    reconciler.tell({ kind: 'event', event: 'patch_failed', at: wallClock(), detail: detail.slice(0, 500) })
  const chunkLink = chunkLinkOver(link, device, chunkListeners)
  const ways = {
    way: config.download ?? profile.download ?? ('auto' as const),
    link: chunkLink,
    http,
    device,
    now,
    log,
  }
  const files = new BundleFiles({ blobs, manifests, sealedKeys, ways, log, changed, onPatchFailed })
  const runtimes = new Runtimes({
    socket,
    files,
    windows,
    serving: { bodyBytesMax: config.serve.bodyBytesMax, threads: config.serve.threads },
    replay: config.replay,
    memoryBytesMax: profile.memoryBytes,
    workFolder: stores.workFolder,
    now,
    log,
    onEvent: (event) => reconciler.tell(event),
    changed,
  })
  const ports: Ports = {
    slots: stores.slotStorage,
    outbox,
    files,
    runtimes,
    link: { isConnected: () => link.isUp, hello: () => link.hello(), hellos: () => link.hellos },
    now,
    wallClock,
    log,
  }
  const probation = {
    durationMs: Math.min(config.probationMs ?? profile.probationMs, profile.probationMs),
    errorShareMax: profile.probationErrorShareMax,
  }
  const reconciler = new Reconciler(stores.slots, ports, { switch: profile.switch, probation }, context.onFailure)
  const assignments = new Assignments({
    device,
    profile,
    pinned,
    manifests,
    sealedKeys,
    save: (next) => savePinnedState(identityFolder(dir), next),
    onWish: (wish) => {
      link.answered()
      reconciler.accept(wish)
    },
    onPatches: (patches) => files.offer(patches),
    onEvent: (event) => reconciler.tell(event),
    now,
    wallClock,
    log,
  })

  const servingUrl = `http://${socket.host.includes(':') ? `[${socket.host}]` : socket.host}:${socket.port}`
  const parts = { link, reconciler, runtimes, outbox }
  const status = keepStatus({ folder: dir, device, agent: version, servingUrl, hub: hubUrl, now, wallClock, ...parts })
  opened.defer(() => status.close())
  reconciler.start()
  // a window so young that it was never checkpointed is gone without a trace of its own
  const killed = before?.running ? '; the process before was killed: its last second may not be counted' : ''
  const detail = `${version}, Node ${process.version}${killed}`
  reconciler.tell({ kind: 'event', event: 'started', at: wallClock(), detail })
  link.start()

  return {
    device,
    servingUrl,
    close: async () => {
      await assignments.close()
      await reconciler.close()
      await runtimes.close()
      await files.close()
      await outbox.flush()
      await shipped(outbox, link)
      await shipper.close()
      await link.close()
      await opened.disposeAsync()
    },
  }
}

async function loadDevice(dir: string, log: Logger): Promise<{ identity: Identity; pinned: PinnedState }> {
  const identity = await loadIdentity(dir)
  const { pinned, repair } = await loadPinnedState(identityFolder(dir))
  if (identity === undefined || pinned === undefined) {
    throw new IdentityError(`${dir} is not enrolled: first run roost-agent enrol --hub URL --token TOKEN --dir ${dir}`)
  }
  if (repair !== undefined) log.error({ event: 'pinned_state_repaired' }, repair)
  return { identity, pinned }
}

/** Downloads' view of the link: what did not get through is a rejection, which counts as a loss. */
function chunkLinkOver(
  link: Link,
  device: string,
  listeners: Set<(topic: string, bytes: Uint8Array) => void>,
): ChunkLink {
  const lost = () => new Error('not connected')
  const wantTopic = upTopic(device, 'want')
  return {
    isConnected: () => link.isUp,
    subscribe: async (filter) => {
      if (!(await link.subscribe(filter))) throw lost()
    },
    unsubscribe: (filter) => link.unsubscribe(filter),
    publish: async (topic, bytes) => {
      if (topic !== wantTopic || !(await link.publish('want', bytes, 0))) throw lost()
    },
    onChunk: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

/** Until the hub has confirmed what is durable here, or it takes too long. Counted in pauses: while this process was held up
 *  itself, or the whole machine slept, nobody could be heard. */
async function shipped(outbox: Outbox, link: Link): Promise<void> {
  for (let waitedMs = 0; link.isUp && outbox.tail < outbox.head && waitedMs < shipMsMax; waitedMs += shipLookMs) {
    await delay(shipLookMs)
  }
}
