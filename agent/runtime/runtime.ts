// One generation of a runtime: what it does on each word of the control process, and what it tells by itself.
// It knows nothing of the hub. All it has is handed in, so that main.ts is only wiring.

import type { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import { BundleError, type OpenBundle, openBundle } from './bundle.ts'
import { createDeployment, type Deployment } from './deployment.ts'
import type {
  ControlMessage,
  InferenceCounts,
  LoadedBundle,
  ReplayPositions,
  ReplaySource,
  RuntimeMessage,
  TrialResult,
} from './messages.ts'
import { createDriftJudge } from './monitor/drift.ts'
import { createWindowRecorder } from './monitor/recorder.ts'
import { createPulse, heartbeatMs } from './pulse.ts'
import { createHttpServer, type HttpServer } from './serve/http.ts'
import { createReplay, type Replay } from './serve/replay.ts'
import { createRoutes } from './serve/routes.ts'
import { type Row, RowsError, readRows } from './serve/rows.ts'
import { createAgreementRecorder } from './shadow/agreement.ts'
import { createComparer, type Shadow } from './shadow/comparer.ts'
import type { TapSpec } from './shadow/pairs.ts'
import { createTap, type Tap } from './shadow/tap.ts'
import { runTrial } from './trial.ts'

/** A killed process loses at most the last second of its open windows: what is left of it is for writing a checkpoint. */
export const checkpointMs = 750

export type RuntimeContext = {
  version: string
  /** Resolves when the message has left this process. */
  send: (message: RuntimeMessage) => Promise<void>
  /** Called once, when everything is answered and told. */
  leave: () => void
  log: (line: string) => void
  /** Milliseconds, steady, with fractions. */
  steadyMs: () => number
  /** Milliseconds since 1970. */
  wallMs: () => number
  resources: () => { rssBytes: number; cpuMs: number }
  /** Processor milliseconds of this process so far, as often as is asked. */
  cpuMs: () => number
  random: (bytes: number) => Uint8Array
}

type Load = Extract<ControlMessage, { kind: 'load' }>

/** Takes one message after the other; `socket` comes with `serve`. */
export function createRuntime(context: RuntimeContext): (message: ControlMessage, socket: object | undefined) => void {
  const { send, steadyMs } = context
  const deployments = new Map<string, Deployment>()
  const replays = new Map<string, Replay>()
  const taps = new Map<string, Tap>()
  const shadows = new Map<string, Shadow>()
  const comparer = createComparer(shadows, (deployment) => tell({ kind: 'paired', deployment }))
  const predictionId = createPredictionIds(context.random)
  const pulse = createPulse(steadyMs, (oldestInferenceMs) => {
    const counts: Record<string, InferenceCounts> = {}
    for (const [name, deployment] of deployments) counts[name] = deployment.totals()
    return send({ kind: 'heartbeat', oldestInferenceMs, counts })
  })
  let http: HttpServer | undefined
  let inOrder = Promise.resolve()

  const timers = [setInterval(pulse.beat, heartbeatMs), setInterval(checkpoint(), checkpointMs)]

  async function load(wanted: Load): Promise<void> {
    const { role, generation, bundles, serving, replay } = wanted
    http = createHttpServer(createRoutes(deployments, context.version), serving)
    // First, while no model can be blamed for what it takes.
    const recordings = await readRecordings(replay.filter((source) => bundles.some((one) => isFor(source, one))))
    const results: TrialResult[] = []
    try {
      for (const bundle of bundles) {
        const { deployment } = bundle
        await send({ kind: 'trying', deployment, step: 'load' })
        const open = await openBundle(bundle, { threads: serving.threads, clock: steadyMs })
        await send({ kind: 'trying', deployment, step: 'infer' })
        const fields = open.features && fieldsOf(open.features.definitions)
        results.push({ ...(await runTrial(open, steadyMs)), ...(fields && { fields }) })
        deployments.set(deployment, role === 'shadow' ? beside(open, wanted) : deploy(open, generation))
      }
    } catch (error) {
      if (!(error instanceof BundleError)) throw error
      const { reason, deployment, message } = error
      return send({ kind: 'failed', deployment, reason, detail: message.slice(0, 500) })
    }
    for (const [source, rows] of recordings) openReplay(source, rows)
    await send({ kind: 'trial-passed', results, rssBytes: context.resources().rssBytes })
  }

  function deploy(open: OpenBundle, generation: number): Deployment {
    const { bundle, features, baseline } = open
    const drift = baseline && createDriftJudge(baseline, (event) => tell({ kind: 'event', event }))
    const recorder = createWindowRecorder({
      bundle,
      generation,
      features,
      baseline,
      clock: context.wallMs,
      resources: context.resources,
      judge: drift?.judge,
      report: (report) => tell({ kind: 'window', report, positions: positions() }),
    })
    return createDeployment(open, { recorder, drift: drift?.page, clock: steadyMs, nextId: predictionId, pulse })
  }

  /** A shadow runs at low priority: its latency is its processor time, where one thread has it all. */
  function beside(open: OpenBundle, { generation, serving }: Load): Deployment {
    const { bundle, features, baseline } = open
    const agreement = createAgreementRecorder(bundle.manifest)
    const recorder = createWindowRecorder({
      bundle,
      generation,
      features,
      baseline,
      clock: context.wallMs,
      resources: context.resources,
      agreement,
      report: (report) => tell({ kind: 'window', report, positions: positions() }),
    })
    const clock = serving.threads === 1 ? context.cpuMs : steadyMs
    const ended = (startedMs: number, nowMs: number) => {
      pulse.ended(steadyMs(), steadyMs())
      return nowMs - startedMs
    }
    const deployment = createDeployment(open, {
      recorder,
      clock,
      nextId: predictionId,
      pulse: { began: pulse.began, ended },
    })
    shadows.set(bundle.deployment, { deployment, agreement, primary: undefined })
    return deployment
  }

  /** What cannot be read is left out: not the model's fault, and no reason to serve nothing. */
  async function readRecordings(sources: readonly ReplaySource[]): Promise<[ReplaySource, Row[]][]> {
    const recordings: [ReplaySource, Row[]][] = []
    for (const source of sources) {
      try {
        recordings.push([source, await readRows(source.path)])
      } catch (error) {
        if (!(error instanceof RowsError)) throw error
        context.log(`replay of ${source.deployment}: ${error.message}`)
      }
    }
    return recordings
  }

  function openReplay(source: ReplaySource, rows: readonly Row[]): void {
    const deployment = deployments.get(source.deployment)
    if (deployment === undefined) return
    const { predict: feed, warm, timeField } = deployment
    replays.set(source.deployment, createReplay({ source, rows, feed, warm, timeField, clock: steadyMs }))
  }

  function positions(): ReplayPositions {
    return Object.fromEntries([...replays].map(([name, replay]) => [name, replay.position()]))
  }

  /** Where order is all that matters: the channel keeps it, and its failure means that control is gone (main.ts). */
  function tell(message: RuntimeMessage): void {
    void send(message)
  }

  function checkpoint(): () => void {
    let countedBefore = 0
    let sending = false
    return () => {
      for (const { recorder } of deployments.values()) recorder.tick()
      const counted = [...deployments.values()].reduce((sum, { recorder }) => sum + recorder.changes(), 0)
      if (sending || counted === countedBefore) return
      const windows = [...deployments.values()].flatMap(({ recorder }) => {
        const window = recorder.open()
        return window === undefined ? [] : [window]
      })
      countedBefore = counted
      sending = true
      void send({ kind: 'checkpoint', windows, positions: positions() }).finally(() => {
        sending = false
      })
    }
  }

  async function serve(server: HttpServer, socket: object, from: ReplayPositions): Promise<void> {
    await server.listen(socket)
    for (const [name, replay] of replays) replay.start(from[name] ?? replay.position())
    await send({ kind: 'serving' })
  }

  async function release(): Promise<void> {
    http?.release()
    await Promise.all([...replays.values()].map((replay) => replay.pause()))
  }

  function tap(specs: readonly TapSpec[]): void {
    taps.clear()
    for (const [name, deployment] of deployments) {
      const spec = specs.find((one) => one.deployment === name)
      const seed = Buffer.from(context.random(4)).readUInt32LE()
      const next = spec && createTap(spec, deployment.bundle, { send: (batch) => tell({ kind: 'pairs', batch }), seed })
      deployment.tap(next)
      if (next !== undefined) taps.set(name, next)
    }
  }

  function closeWindows(): void {
    for (const { recorder } of deployments.values()) recorder.close()
  }

  async function stop(graceMs: number): Promise<void> {
    tap([])
    await release()
    await comparer.stop()
    await http?.drain(graceMs)
    closeWindows()
    for (const timer of timers) clearInterval(timer)
    await send({ kind: 'stopped', positions: positions() })
    context.leave()
  }

  async function take(message: ControlMessage, socket: object | undefined): Promise<void> {
    switch (message.kind) {
      case 'load':
        return load(message)
      case 'serve':
        if (http === undefined || socket === undefined)
          throw new TypeError('`serve` before `load`, or without a socket')
        return serve(http, socket, message.positions)
      case 'release':
        await release()
        return send({ kind: 'released', positions: positions() })
      case 'tap':
        return tap(message.taps)
      case 'more-pairs':
        return taps.get(message.deployment)?.more()
      case 'pairs':
        return comparer.take(message.batch)
      case 'stop':
        return stop(message.graceMs)
      case 'report-now':
        return closeWindows()
    }
  }

  return (message, socket) => {
    inOrder = inOrder.then(() => take(message, socket))
  }
}

/** What the definitions read of a record. */
function fieldsOf({ key, time, label, features }: FeatureDefinitions): string[] {
  const named = [key, time, label].filter((field) => field !== undefined)
  return [...new Set([...named, ...features.map(({ field }) => field)])]
}

/** Without a version in the deployment, its rows rest until a runtime has one. */
const isFor = ({ deployment }: ReplaySource, bundle: LoadedBundle) => deployment === bundle.deployment

/** Never the same twice on a device, whichever process made it: 64 random bits of this process and a counter. */
function createPredictionIds(random: RuntimeContext['random']): () => string {
  const prefix = Buffer.from(random(8)).toString('hex')
  let made = 0
  return () => `${prefix}-${(made++).toString(36)}`
}
