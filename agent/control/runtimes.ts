// The runtime processes of this device: at most two, one of them with the socket, the other one on its way to it, or with
// the shadows. What the reconciler decides about them happens here; what they tell goes to the open windows and to the
// reconciler, and what serves is asked from one to the other.

import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import type { Logger } from 'pino'
import { systemCode } from '../durable-file.ts'
import type { OpenWindows } from '../outbox/open-windows.ts'
import { OutboxError } from '../outbox/outbox-error.ts'
import { feedBeside } from '../reconcile/beside.ts'
import { type BundleSet, bundleOf, keyOf } from '../reconcile/bundle-set.ts'
import { RuntimeProcess } from '../reconcile/runtime-process.ts'
import type { ServingSocket } from '../reconcile/serving-socket.ts'
import { type ShadowBundle, type ShadowSet, shadowKeyOf } from '../reconcile/shadow-set.ts'
import type { Failure } from '../reconcile/slots.ts'
import type { RuntimeView } from '../reconcile/steps.ts'
import type { ReplayPositions, ReplaySource, ServingOptions } from '../runtime/messages.ts'
import type { TapSpec } from '../runtime/shadow/pairs.ts'
import type { BundleFiles } from './bundle-files.ts'

/** How long requests that a runtime holds when it is stopped may still take. */
export const stopGraceMs = 10_000

export type RuntimesOptions = {
  socket: ServingSocket
  files: Pick<BundleFiles, 'locate' | 'recheck'>
  windows: OpenWindows
  serving: ServingOptions
  replay: readonly ReplaySource[]
  memoryBytesMax: number
  workFolder: string
  /** Monotonic milliseconds. */
  now: () => number
  log: Pick<Logger, 'debug' | 'warn' | 'error'>
  onEvent: (event: DeviceEvent) => void
  /** Told whenever `all` may answer differently. */
  changed: () => void
}

type Runtime = Omit<RuntimeView, 'observed'> & {
  set: BundleSet
  process: RuntimeProcess | undefined
  /** Of a shadow, by deployment: the fields of a record that its features read. */
  fields: ReadonlyMap<string, readonly string[]>
  /** Of what serves: whether it hands anything to a shadow. */
  isTapped: boolean
  gone: Promise<void>
}

export class Runtimes {
  readonly #options: RuntimesOptions
  readonly #runtimes = new Map<number, Runtime>()
  /** Rows fed to each deployment, as last told: a runtime that takes over goes on from there. They only rise. */
  #positions: ReplayPositions = {}
  #started = 0

  constructor(options: RuntimesOptions) {
    this.#options = options
  }

  all(): RuntimeView[] {
    return [...this.#runtimes.values()].map(({ id, key, phase, proven, failure, servingSince, shadows, process }) => ({
      ...{ id, key, phase, proven, failure, servingSince, shadows },
      observed: process?.observed ?? new Map(),
    }))
  }

  /** The shadows that run now. */
  get shadowing(): readonly ShadowBundle[] {
    return this.#shadow()?.shadows ?? []
  }

  /** Rows that replays have fed to each deployment since this agent started. */
  get replayed(): ReplayPositions {
    return this.#positions
  }

  start(set: BundleSet): void {
    this.#begin(set, keyOf(set), undefined)
  }

  startShadow({ generation, bundles }: ShadowSet): void {
    this.#begin({ generation, bundles: [...bundles] }, shadowKeyOf(bundles), bundles)
  }

  sample(id: number, bundles: readonly ShadowBundle[]): void {
    const runtime = this.#runtimes.get(id)
    if (runtime === undefined) return
    runtime.shadows = bundles
    this.#tap()
  }

  #begin(set: BundleSet, key: string, shadows: readonly ShadowBundle[] | undefined): void {
    const id = ++this.#started
    const runtime: Runtime = {
      id,
      key,
      set,
      shadows,
      fields: new Map(),
      isTapped: false,
      phase: 'loading',
      proven: false,
      failure: undefined,
      servingSince: undefined,
      process: undefined,
      gone: Promise.resolve(),
    }
    this.#runtimes.set(id, runtime)
    runtime.gone = this.#live(runtime)
  }

  /** Takes the socket from whichever runtime has it; connections wait in the kernel's queue meanwhile. A runtime that
   *  cannot take it is dead when this resolves. */
  async serve(id: number): Promise<void> {
    const runtime = this.#runtimes.get(id)
    if (runtime?.process === undefined) return
    for (const one of this.#runtimes.values()) await this.#release(one)
    const serves = await runtime.process.serve(this.#options.socket, this.#positions)
    if (!serves) return runtime.gone
    if (runtime.phase !== 'ready' && runtime.phase !== 'released') return
    runtime.phase = 'serving'
    runtime.servingSince = this.#options.now()
    this.#tap()
  }

  stop(id: number): void {
    const runtime = this.#runtimes.get(id)
    if (runtime === undefined || runtime.phase === 'dead' || runtime.phase === 'stopping') return
    const { phase } = runtime
    runtime.phase = 'stopping'
    if (runtime.shadows !== undefined) this.#tap()
    // One that is still loading is told when it is up, by `#live`.
    if (phase === 'loading') void runtime.process?.kill()
    else void runtime.process?.stop(stopGraceMs)
  }

  bury(id: number): void {
    if (this.#runtimes.get(id)?.phase === 'dead') this.#runtimes.delete(id)
  }

  /** The windows that are open now are closed and reported. */
  reportNow(): void {
    for (const { phase, process, shadows } of this.#runtimes.values()) {
      if (phase === 'serving' || (phase === 'ready' && shadows !== undefined)) process?.reportNow()
    }
  }

  /** Stops all and waits until everything they had to say is with the open windows. */
  async close(): Promise<void> {
    const all = [...this.#runtimes.values()]
    for (const { id } of all) this.stop(id)
    await Promise.all(all.map(({ gone }) => gone))
  }

  async #live(runtime: Runtime): Promise<void> {
    try {
      await this.#run(runtime)
    } catch (error) {
      // No room for a working folder, no process to be had: as good as dead, and tried again like that.
      if (systemCode(error) === undefined) throw error
      const reason = systemCode(error) === 'ENOSPC' ? 'no_space' : 'crash'
      await this.#end(runtime, { reason, detail: `a runtime could not be started: ${String(error)}` })
    }
  }

  /** From the start of the process until it has ended. */
  async #run(runtime: Runtime): Promise<void> {
    const { files, serving, replay, memoryBytesMax, workFolder, windows, onEvent, log } = this.#options
    const { set, id } = runtime
    const name = String(id)
    // Nobody waits for it: on a full disk that may take for ever, and what serves must be replaced all the same.
    const keep = (kept: Promise<unknown>) => {
      kept.catch((error: unknown) => {
        if (!(error instanceof OutboxError)) throw error
        log.error({ err: error }, 'a window could not be kept')
      })
    }
    const process = await RuntimeProcess.start(
      {
        role: runtime.shadows === undefined ? 'primary' : 'shadow',
        generation: set.generation,
        bundles: set.bundles.map((bundle) => files.locate(bundle)),
        replay: runtime.shadows === undefined ? replay : [],
        serving,
        memoryBytesMax,
        workFolder,
      },
      {
        onWindow: (report, positions) => {
          this.#note(positions)
          keep(windows.append(name, report))
        },
        onCheckpoint: (open, positions) => {
          this.#note(positions)
          windows.save(name, open)
        },
        onEvent,
        onPairs: (batch) => {
          if (runtime.phase === 'serving') this.#shadow()?.process?.compare(batch)
        },
        onPaired: (deployment) => {
          if (runtime.process?.comparing(deployment) === 0) this.#serving()?.process?.morePairs(deployment)
        },
        onExit: () => undefined,
        warn: (text) => log.warn(text),
      },
    )
    runtime.process = process
    if (runtime.phase === 'stopping') await process.kill()
    const trial = await process.load()
    if (trial.ok && runtime.phase === 'loading') {
      runtime.phase = 'ready'
      runtime.proven = true
      runtime.fields = new Map(
        trial.results.flatMap(({ deployment, fields }) =>
          fields === undefined ? [] : [[deployment, fields] as const],
        ),
      )
      if (runtime.shadows !== undefined) this.#tap()
      log.debug({ runtime: id, rssBytes: trial.rssBytes, results: trial.results }, 'trial passed')
      this.#options.changed()
    }
    const failure = await process.exited
    keep(windows.interrupt(name))
    if (failure?.reason === 'signature' || failure?.reason === 'load') {
      for (const { manifest } of set.bundles) await files.recheck(manifest)
    }
    await this.#end(runtime, failure)
  }

  async #end(runtime: Runtime, failure: Failure | undefined): Promise<void> {
    // One that was told to go is gone; any other stays until the reconciler has looked at how it died.
    if (runtime.phase === 'stopping' || failure === undefined) this.#runtimes.delete(runtime.id)
    runtime.phase = 'dead'
    runtime.failure = failure
    if (runtime.shadows !== undefined) this.#tap()
    this.#options.changed()
  }

  async #release(runtime: Runtime): Promise<void> {
    if (runtime.phase !== 'serving') return
    if (runtime.isTapped) runtime.process?.tap([])
    runtime.isTapped = false
    const positions = await runtime.process?.release()
    if (positions !== undefined) this.#note(positions)
    if (runtime.phase === 'serving') runtime.phase = 'released'
  }

  #serving(): Runtime | undefined {
    return [...this.#runtimes.values()].find(({ phase }) => phase === 'serving')
  }

  /** The one that can compare. */
  #shadow(): Runtime | undefined {
    return [...this.#runtimes.values()].find(({ phase, shadows }) => phase === 'ready' && shadows !== undefined)
  }

  /** Tells what serves which of its inferences a shadow wants, anew whenever one of the two is another. */
  #tap(): void {
    const primary = this.#serving()
    if (primary === undefined) return
    const shadow = this.#shadow()
    const taps = (shadow?.shadows ?? []).flatMap((one) => this.#tapOf(one, shadow?.fields, primary))
    if (taps.length === 0 && !primary.isTapped) return
    primary.isTapped = taps.length > 0
    primary.process?.tap(taps)
  }

  #tapOf(one: ShadowBundle, fields: Runtime['fields'] | undefined, { set }: Runtime): TapSpec[] {
    const { deployment, sample } = one
    const beside = bundleOf(set, deployment)
    if (beside === undefined) return []
    const { files } = this.#options
    const feed = feedBeside(files.locate(one).manifest, files.locate(beside).manifest)
    if ('why' in feed) return []
    const records = feed.records ? fields?.get(deployment) : undefined
    return [{ deployment, sample, tensors: feed.tensors, ...(records && { records: [...records] }) }]
  }

  /** One runtime after the other feeds the rows, so the highest count holds: one on trial has fed none, one that has
   *  released its rows may still tell of a window. */
  #note(positions: ReplayPositions): void {
    const highest = Object.entries(positions).map(([name, rows]) => [name, Math.max(rows, this.#positions[name] ?? 0)])
    this.#positions = { ...this.#positions, ...Object.fromEntries(highest) }
  }
}
