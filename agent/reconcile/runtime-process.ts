// The life of one runtime process as the control process sees it: started under limits, loaded, tried, serving,
// released, stopped. Whatever goes wrong with it has one form, a failure with a reason, after which it is gone.

import type { ChildProcess } from 'node:child_process'
import { setPriority } from 'node:os'
import type { DeviceEvent, WindowReport } from '@roost/shared/protocol/records.ts'
import { systemCode } from '../durable-file.ts'
import {
  type ControlMessage,
  type InferenceCounts,
  type LoadedBundle,
  type ReplayPositions,
  type ReplaySource,
  RuntimeMessage,
  type ServingOptions,
  type TrialResult,
} from '../runtime/messages.ts'
import { rowsMemoryBytes } from '../runtime/serve/rows.ts'
import type { Batch, TapSpec } from '../runtime/shadow/pairs.ts'
import type { Observed } from './probation.ts'
import { falseClaim } from './runtime-claims.ts'
import { failureOfExit } from './runtime-exit.ts'
import { launchRuntime, limitMemory, runtimeBytes } from './runtime-launch.ts'
import { afterAwakeMs, Watchdog } from './runtime-watchdog.ts'
import type { ServingSocket } from './serving-socket.ts'
import type { Failure } from './slots.ts'

/** Node's own start, on a slow device that is busy with other things. */
const startMsMax = 60_000
/** Reading the files of a bundle before its trial begins to count. */
const readMsMax = 5_000
/** `serve` and `release` have at most one inference to wait for; one that hangs is found out by the watchdog before. */
const answerMs = 20_000
/** After the grace of a stop has passed. */
const stopSlackMs = 2_000
/** `nice` of a shadow: a tenth of the processor's time where what serves wants all of it (sched(7)). */
const shadowPriority = 10
/** The end of what the process wrote to stderr, for the reason it died. */
const stderrCharactersMax = 4096

export type RuntimeOptions = {
  role: 'primary' | 'shadow'
  generation: number
  bundles: readonly LoadedBundle[]
  replay: readonly ReplaySource[]
  serving: ServingOptions
  /** What the device may spend on models; the bundles' own limits count where their sum is less. */
  memoryBytesMax: number
  /** Where its empty working folder is made. */
  workFolder: string
}

/** All are called in the order in which the process said it. `onExit` comes once and last. */
export type RuntimeHandlers = {
  onWindow: (report: WindowReport, positions: ReplayPositions) => void
  onCheckpoint: (windows: WindowReport[], positions: ReplayPositions) => void
  onEvent: (event: DeviceEvent) => void
  /** Of what serves, for its shadow. */
  onPairs: (batch: Batch) => void
  /** A shadow is done with a batch. */
  onPaired: (deployment: string) => void
  /** `failure`: why it died; undefined where it was told to. */
  onExit: (failure: Failure | undefined) => void
  warn: (text: string) => void
}

export type TrialOutcome = { ok: true; results: TrialResult[]; rssBytes: number } | { ok: false; failure: Failure }

type Kind = RuntimeMessage['kind']
type Said<K extends Kind> = Extract<RuntimeMessage, { kind: K }>

export class RuntimeProcess {
  readonly #child: ChildProcess
  readonly #options: RuntimeOptions
  readonly #handlers: RuntimeHandlers
  readonly #watchdog: Watchdog
  readonly #inferenceMsMax: number
  readonly exited: Promise<Failure | undefined>
  #stderr = ''
  #told = false
  /** It said what no runtime says: nothing more is heard of it, nor logged. */
  #lied = false
  #failure: Failure | undefined
  #trying: string | undefined
  /** Deployments of the batches a shadow has been handed and is not done with; it works on the first. */
  readonly #comparing: string[] = []
  #counts: Record<string, InferenceCounts> = {}
  #countsBefore: Record<string, InferenceCounts> = {}
  #awaited: { kind: Kind; settle: (said: RuntimeMessage | undefined) => void } | undefined

  /** Starts a process and limits it before it loads anything. A process that does not come up shows in `load`. */
  static async start(options: RuntimeOptions, handlers: RuntimeHandlers): Promise<RuntimeProcess> {
    const files = options.bundles.flatMap(({ files }) => Object.values(files).filter((path) => path !== undefined))
    const { child, cleanUp } = await launchRuntime({
      files: [...files, ...options.replay.map(({ path }) => path)],
      workFolder: options.workFolder,
      warn: handlers.warn,
    })
    const runtime = new RuntimeProcess(child, cleanUp, options, handlers)
    const up = await runtime.#answer('up', startMsMax)
    if (up !== undefined && child.pid !== undefined) {
      const wanted = options.bundles.reduce((sum, { manifest }) => sum + manifest.limits.memoryBytes, 0)
      const modelBytes = Math.min(wanted, options.memoryBytesMax)
      const ownBytes = runtimeBytes + options.replay.length * rowsMemoryBytes
      await limitMemory(child.pid, modelBytes + ownBytes, handlers.warn)
    }
    return runtime
  }

  private constructor(
    child: ChildProcess,
    cleanUp: () => Promise<void>,
    options: RuntimeOptions,
    handlers: RuntimeHandlers,
  ) {
    this.#child = child
    this.#options = options
    this.#handlers = handlers
    this.#inferenceMsMax = Math.max(0, ...options.bundles.map(({ manifest }) => manifest.limits.inferenceMs))
    this.#watchdog = new Watchdog((silentMs) => this.#kill('hang', `no sign of life for ${Math.round(silentMs)} ms`))
    this.exited = this.#watch(cleanUp)
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** What its deployments did since it last began to serve. */
  get observed(): ReadonlyMap<string, Observed> {
    return new Map(
      Object.entries(this.#counts).map(([name, counts]) => {
        const { ok, error, slow } = this.#countsBefore[name] ?? { ok: 0, error: 0, slow: 0 }
        return [name, { ok: counts.ok - ok, error: counts.error - error, slow: counts.slow - slow }]
      }),
    )
  }

  /** Loads the bundles and tries them. After a failure the process is gone. */
  async load(): Promise<TrialOutcome> {
    const { role, generation, bundles, serving, replay } = this.#options
    const trialMs = bundles.reduce((sum, { manifest }) => sum + manifest.limits.trialMs + readMsMax, readMsMax)
    this.#send({ kind: 'load', role, generation, bundles: [...bundles], serving, replay: [...replay] })
    const passed = await this.#answer('trial-passed', trialMs)
    if (passed !== undefined) {
      this.#trying = undefined
      this.#watchdog.start(this.#inferenceMsMax)
      if (role === 'shadow') this.#giveWay()
      return { ok: true, results: passed.results, rssBytes: passed.rssBytes }
    }
    const failure = await this.exited
    return { ok: false, failure: failure ?? { reason: 'crash', detail: 'it was told to stop' } }
  }

  /** Lends it the socket. Resolves once it accepts; false where it died instead. */
  async serve(socket: ServingSocket, positions: ReplayPositions): Promise<boolean> {
    this.#countsBefore = this.#counts
    this.#send({ kind: 'serve', positions }, socket)
    return (await this.#answer('serving', answerMs)) !== undefined
  }

  /** Takes the socket back; what it holds is still answered. The last positions are those of the replay that the next
   *  runtime goes on from; undefined where it died, then those of the last window or checkpoint hold. */
  async release(): Promise<ReplayPositions | undefined> {
    this.#send({ kind: 'release' })
    return (await this.#answer('released', answerMs + this.#inferenceMsMax))?.positions
  }

  /** Lets it answer what it holds and report its windows, for `graceMs` at most. */
  async stop(graceMs: number): Promise<void> {
    this.#told = true
    this.#send({ kind: 'stop', graceMs })
    await this.#answer('stopped', graceMs + stopSlackMs + this.#inferenceMsMax)
    await this.exited
  }

  /** What serves hands these deployments' inferences to a shadow, and no others. */
  tap(taps: readonly TapSpec[]): void {
    this.#send({ kind: 'tap', taps: [...taps] })
  }

  /** The shadow of the deployment waits for more. */
  morePairs(deployment: string): void {
    this.#send({ kind: 'more-pairs', deployment })
  }

  /** For a shadow to repeat. */
  compare(batch: Batch): void {
    this.#comparing.push(batch.deployment)
    this.#trying = this.#comparing[0]
    this.#send({ kind: 'pairs', batch })
  }

  /** Batches of the deployment that the shadow is not done with. */
  comparing(deployment: string): number {
    return this.#comparing.filter((one) => one === deployment).length
  }

  /** Its open windows are closed and reported. */
  reportNow(): void {
    this.#send({ kind: 'report-now' })
  }

  /** At once. Its open windows are lost but for the last checkpoint. */
  async kill(): Promise<void> {
    this.#told = true
    this.#child.kill('SIGKILL')
    await this.exited
  }

  #send(message: ControlMessage, socket?: ServingSocket): void {
    // A dead process shows in `exited`, not here.
    if (!this.#child.connected) return
    const ignoreFailure = () => undefined
    if (socket === undefined) this.#child.send(message, ignoreFailure)
    else socket.sendTo(this.#child, message, ignoreFailure)
  }

  /** The next message of this kind; undefined where the process is gone, as it is if it takes longer than `patienceMs`. */
  async #answer<K extends Kind>(kind: K, patienceMs: number): Promise<Said<K> | undefined> {
    const said = new Promise<RuntimeMessage | undefined>((settle) => {
      this.#awaited = { kind, settle }
    })
    const end = afterAwakeMs(patienceMs, () => this.#kill('hang', `no '${kind}' within ${patienceMs} ms`))
    const message = await Promise.race([said, this.exited.then(() => undefined)])
    end()
    return message !== undefined && isOf(kind, message) ? message : undefined
  }

  #kill(reason: Failure['reason'], detail: string, deployment = this.#trying): void {
    if (!this.#told) this.#failure ??= { reason, detail, deployment }
    this.#child.kill('SIGKILL')
  }

  #disbelieve(why: string | undefined): void {
    this.#lied = true
    const detail = `it said what no runtime says: ${why}`
    this.#handlers.warn(`a runtime is ended: ${detail}`)
    this.#kill('crash', detail)
  }

  #take(raw: unknown): void {
    if (this.#lied) return
    const parsed = RuntimeMessage.safeParse(raw)
    if (!parsed.success) {
      this.#disbelieve(parsed.error.issues[0]?.message)
      return
    }
    const message = parsed.data
    const why = falseClaim(message, this.#options)
    if (why !== undefined) {
      this.#disbelieve(why)
      return
    }
    this.#watchdog.seen()
    switch (message.kind) {
      case 'trying':
        this.#watchTrial(message)
        break
      case 'failed':
        this.#kill(message.reason, message.detail, message.deployment)
        break
      case 'heartbeat':
        this.#counts = message.counts
        break
      case 'checkpoint':
        this.#handlers.onCheckpoint(message.windows, message.positions)
        break
      case 'window':
        this.#handlers.onWindow(message.report, message.positions)
        break
      case 'event':
        this.#handlers.onEvent(message.event)
        break
      case 'pairs':
        this.#handlers.onPairs(message.batch)
        break
      case 'paired':
        this.#comparing.shift()
        this.#trying = this.#comparing[0]
        this.#handlers.onPaired(message.deployment)
        break
    }
    if (this.#awaited?.kind !== message.kind) return
    this.#awaited.settle(message)
    this.#awaited = undefined
  }

  /** Loading may take as long as the trial; an inference within it no longer than any other. */
  #watchTrial({ deployment, step }: Said<'trying'>): void {
    this.#trying = deployment
    const bundle = this.#options.bundles.find((one) => one.deployment === deployment)
    if (step === 'infer' && bundle !== undefined) this.#watchdog.start(bundle.manifest.limits.inferenceMs)
    else this.#watchdog.stop()
  }

  /** What serves goes first wherever both want the processor. */
  #giveWay(): void {
    try {
      if (this.pid !== undefined) setPriority(this.pid, shadowPriority)
    } catch (error) {
      // Gone already, or a system that does not allow it: then they share.
      if (systemCode(error) === undefined) throw error
    }
  }

  /** Resolves when the process has ended and all it said was heard. */
  async #watch(cleanUp: () => Promise<void>): Promise<Failure | undefined> {
    const child = this.#child
    child.on('message', (message) => this.#take(message))
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#stderr = (this.#stderr + text).slice(-stderrCharactersMax)
    })
    const disconnected = new Promise<void>((resolve) => child.once('disconnect', resolve))
    const ended = await new Promise<{ code: number | null; signal: string | null; error?: Error }>((resolve) => {
      child.once('close', (code, signal) => resolve({ code, signal }))
      child.on('error', (error) => {
        // Also when a message could not be sent, in which case 'close' follows.
        if (child.pid === undefined) resolve({ code: null, signal: null, error })
      })
    })
    if (child.pid !== undefined) await disconnected
    this.#watchdog.stop()
    // a disk that can only be read must not end the agent; the next start empties the folder
    await cleanUp().catch((error: unknown) => this.#handlers.warn(`a working folder of a runtime stays: ${error}`))
    this.#failure ??= this.#told ? undefined : failureOfExit(ended, this.#stderr, this.#trying)
    this.#handlers.onExit(this.#failure)
    return this.#failure
  }
}

function isOf<K extends Kind>(kind: K, message: RuntimeMessage): message is Said<K> {
  return message.kind === kind
}
