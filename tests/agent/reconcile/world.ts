// A device without files, processes or network, whose every part can fail on command:
// the real plan and the real execution run on it, and its parts watch that no promise is broken on the way.

import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { type Bundle, type BundleSet, changedBundles, keyOf } from '../../../agent/reconcile/bundle-set.ts'
import {
  countStart,
  executeStep,
  type Memory,
  newMemory,
  type Ports,
  situationOf,
} from '../../../agent/reconcile/execute.ts'
import { planSteps } from '../../../agent/reconcile/plan.ts'
import type { Observed } from '../../../agent/reconcile/probation.ts'
import { isForward } from '../../../agent/reconcile/progress.ts'
import { shadowKeyOf, type WishedShadow } from '../../../agent/reconcile/shadow-set.ts'
import { emptySlots, type Failure, markStopped, Slots } from '../../../agent/reconcile/slots.ts'
import type { FilesState, RuntimeView, Situation, Step } from '../../../agent/reconcile/steps.ts'
import type { Wish, WishedBundle } from '../../../agent/reconcile/target.ts'

/** How a bundle behaves, told by its version: see `qualityOf`. */
export type Quality = 'good' | 'fails-to-load' | 'crashes' | 'errs'
export const qualityOf = (version: number): Quality =>
  version % 10 < 6 ? 'good' : version % 10 < 7 ? 'fails-to-load' : version % 10 < 8 ? 'crashes' : 'errs'

export const probation = { durationMs: 10_000, errorShareMax: 0.05 }

export const manifestOf = (deployment: string, version: number) =>
  `${deployment}${version}`.replace(/[^0-9a-f]/g, 'a').padEnd(64, '0')

export const aBundle = (deployment: string, version: number, attempt = 1): Bundle => ({
  deployment,
  manifest: manifestOf(deployment, version),
  attempt,
  model: 'm',
  version,
})

type Process = RuntimeView & { bundles: readonly Bundle[]; hellosWhenProven: number; observed: Map<string, Observed> }

export const aShadow = (deployment: string, version: number, attempt = 1, sample = 0.1): WishedShadow => ({
  ...aBundle(deployment, version, attempt),
  role: 'shadow',
  sample,
})

export class Killed extends Error {}

export class World {
  now = 1_000
  diskFull = false
  connected = false
  /** Of the hub's answers. */
  expired = false
  /** Steps until the agent is killed in the middle of one; undefined: not at all. */
  killIn: number | undefined
  disk: Slots = emptySlots
  readonly told: DeviceEvent[] = []
  readonly steps: Step['kind'][] = []
  readonly starts = new Map<string, number>()
  files = new Map<string, FilesState>()
  /** Fetches that were cancelled and have not ended yet. */
  readonly cancelled = new Set<string>()
  /** Manifests that loaded once: the system under them has changed. */
  readonly noLongerLoad = new Set<string>()
  processes: Process[] = []
  memory: Memory = newMemory(emptySlots)
  wished: readonly WishedBundle[] | undefined
  shadows: readonly WishedShadow[] = []
  generation = 0
  hellos = { count: 0, at: 0 }
  #ids = 0
  #hellosWhenStaged = 0
  #accepted: Wish | undefined
  /** When a bundle began to be wished: it starts over where something else was wished in between. */
  readonly #periods: { name: string; generation: number }[] = []
  readonly #last = new Map<string, DeviceEvent & { event: 'progress' }>()
  readonly #mode: Situation['switch']

  constructor(mode: Situation['switch']) {
    this.#mode = mode
  }

  readonly ports: Ports = {
    slots: {
      save: async (slots) => {
        this.#maybeDie()
        if (this.diskFull) throw new Error('ENOSPC')
        this.disk = Slots.parse(structuredClone(slots))
        this.#maybeDie()
      },
    },
    outbox: {
      appendNow: async (events) => {
        const kept = this.diskFull ? this.#ids % 2 : events.length
        this.#maybeDie()
        for (const event of events.slice(0, kept)) this.#tell(event)
        this.#maybeDie()
        return Math.min(kept, events.length)
      },
    },
    files: {
      stateOf: (manifest) => this.files.get(manifest) ?? { state: 'missing' },
      misfitBeside: (candidate) => (candidate.includes('25') ? 'another input' : undefined),
      fetching: () => this.#fetching().filter((manifest) => !this.cancelled.has(manifest)),
      fetch: (bundles) => {
        for (const { manifest } of bundles) this.files.set(manifest, { state: 'fetching' })
      },
      cancel: (manifests) => {
        for (const manifest of manifests) {
          assert.equal(this.files.get(manifest)?.state, 'fetching')
          this.cancelled.add(manifest)
        }
      },
      forgetFailure: (manifest) => {
        if (this.files.get(manifest)?.state === 'failed') this.files.set(manifest, { state: 'missing' })
      },
      keep: async (manifests) => {
        for (const set of [this.memory.slots.current, this.memory.slots.candidate]) {
          for (const { manifest } of set?.bundles ?? []) assert(manifests.has(manifest), 'files in use may not go')
        }
        for (const [manifest, { state }] of this.files) {
          if (!manifests.has(manifest) && state !== 'fetching') this.files.delete(manifest)
        }
      },
    },
    runtimes: {
      all: () => this.processes,
      start: (set) => {
        const key = keyOf(set)
        this.#assertCounted(key)
        assert(!this.processes.some((one) => one.key === key && one.phase !== 'dead' && one.phase !== 'stopping'))
        assert(this.processes.length < (this.#mode === 'warm' ? 2 : 1), 'too many runtimes at once')
        for (const { manifest } of set.bundles) assert.equal(this.files.get(manifest)?.state, 'present')
        for (const bundle of changedBundles(set, this.memory.slots.current)) {
          for (const denied of [...this.disk.denied, ...this.memory.slots.denied]) {
            const isSame = denied.deployment === bundle.deployment && denied.manifest === bundle.manifest
            assert(!isSame || denied.attempt < bundle.attempt, 'a denied bundle was tried again')
          }
          const name = `${bundle.deployment} ${bundle.version} ${bundle.attempt}`
          this.starts.set(name, (this.starts.get(name) ?? 0) + 1)
        }
        this.processes.push(this.#aProcess(key, set.bundles, undefined))
      },
      startShadow: ({ bundles }) => {
        assert.equal(this.#mode, 'warm', 'a shadow where there is room for one runtime')
        assert(this.processes.length < 2, 'too many runtimes at once')
        assert(this.memory.slots.candidate === null, 'a shadow in the place of the version that is gone back to')
        assert(!this.#accepted?.expired, 'a shadow started by what has expired')
        for (const one of bundles) {
          assert.equal(this.files.get(one.manifest)?.state, 'present')
          const isDenied = this.memory.slots.denied.some(
            (denied) =>
              denied.deployment === one.deployment && denied.manifest === one.manifest && denied.attempt >= one.attempt,
          )
          assert(!isDenied, 'a denied shadow was tried again')
        }
        this.processes.push(this.#aProcess(shadowKeyOf(bundles), bundles, bundles))
      },
      sample: (id, bundles) => {
        this.#process(id).shadows = bundles
      },
      serve: async (id) => {
        const next = this.#process(id)
        assert(next.proven, 'a set serves that did not pass its trial')
        this.#assertCounted(next.key)
        const before = this.processes.find(({ phase }) => phase === 'serving')
        if (before !== undefined) before.phase = 'released'
        next.phase = 'serving'
        next.servingSince = this.now
        next.observed = new Map()
      },
      stop: (id) => {
        const one = this.#process(id)
        assert(
          this.#mode === 'stop-start' || one.phase !== 'serving',
          `what serves was stopped with nothing in its place: ${this.trail()}`,
        )
        one.phase = 'stopping'
      },
      bury: (id) => {
        assert.equal(this.#process(id).phase, 'dead')
        this.processes = this.processes.filter((one) => one.id !== id)
      },
    },
    link: {
      isConnected: () => this.connected,
      hello: () => {
        this.hellos = { count: this.hellos.count + 1, at: this.now }
      },
      hellos: () => this.hellos,
    },
    now: () => this.now,
    wallClock: () => this.now,
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
  }

  /** Plans and executes until nothing is left to do, or the agent is killed (and started again). */
  async settle(): Promise<void> {
    try {
      for (let round = 0; round < 200; round++) {
        this.#feed()
        const steps = planSteps(situationOf(this.memory, this.ports, { switch: this.#mode, probation }))
        if (steps.length === 0) return
        for (const step of steps) {
          this.steps.push(step.kind)
          if (step.kind === 'stage') this.#hellosWhenStaged = this.hellos.count
          if (step.kind === 'activate') this.#assertConfirmed(step.set)
          const before = this.#whatServes()
          await executeStep(step, this.memory, this.ports)
          if (step.kind === 'fail-shadow') assert.deepEqual(this.#whatServes(), before, 'a shadow touched what serves')
          this.#maybeDie()
        }
      }
    } catch (error) {
      if (!(error instanceof Killed)) throw error
      await this.start()
      return
    }
    assert.fail(`the plan does not settle: ${this.steps.slice(-20).join(' ')}`)
  }

  /** A new process on the same disk. */
  async start(): Promise<void> {
    this.killIn = undefined
    this.processes = []
    this.connected = false
    this.hellos = { count: 0, at: 0 }
    this.#accepted = undefined
    for (const manifest of this.#fetching()) this.files.set(manifest, { state: 'missing' })
    this.cancelled.clear()
    this.memory = newMemory(this.disk)
    await countStart(this.memory, this.ports)
    await this.settle()
  }

  async stopCleanly(): Promise<void> {
    if (!this.diskFull) this.disk = markStopped(this.memory.slots)
    await this.start()
  }

  connect(): void {
    this.connected = true
    this.ports.link.hello()
  }

  /** The hub answers the last hello, or pushes what changed under the same nonce. */
  answer(): void {
    if (!this.connected || this.wished === undefined) return
    const { generation, wished, shadows, expired } = this
    this.#accepted = {
      generation,
      bundles: wished,
      shadows,
      hello: this.hellos.count,
      askedAt: this.hellos.at,
      expired,
    }
    this.memory.wish = this.#accepted
  }

  wish(bundles: readonly WishedBundle[], shadows: readonly WishedShadow[] = []): void {
    this.generation++
    const before = new Set([...(this.wished ?? []), ...this.shadows].map(nameOf))
    for (const bundle of [...bundles, ...shadows]) {
      if (!before.has(nameOf(bundle))) this.#periods.push({ name: nameOf(bundle), generation: this.generation })
    }
    this.wished = bundles
    this.shadows = shadows
  }

  finishFetches(how: FilesState): void {
    for (const manifest of this.#fetching()) {
      this.files.set(manifest, this.cancelled.delete(manifest) ? { state: 'missing' } : how)
    }
  }

  /** Runtimes that load, or are told to stop, get there. */
  finishProcesses(): void {
    for (const one of this.processes) {
      if (one.phase === 'stopping') one.phase = 'dead'
      if (one.phase !== 'loading') continue
      const bad = one.bundles.find(
        ({ version, manifest }) => qualityOf(version) === 'fails-to-load' || this.noLongerLoad.has(manifest),
      )
      if (bad !== undefined) this.kill(one, { reason: 'load', detail: 'bad model', deployment: bad.deployment })
      else {
        one.phase = 'ready'
        one.proven = true
        one.hellosWhenProven = this.hellos.count
      }
    }
  }

  /** There is always traffic; what serves does with it what its bundles are made for. */
  #feed(): void {
    const one = this.processes.find(({ phase }) => phase === 'serving')
    for (const { deployment, version } of one?.bundles ?? []) {
      const error = qualityOf(version) === 'errs' ? 30 : 0
      one?.observed.set(deployment, { ok: 100 - error, error, slow: 0 })
    }
    if (one?.bundles.some(({ version }) => qualityOf(version) === 'crashes')) {
      this.kill(one, { reason: 'crash', detail: 'signal SIGSEGV' })
    }
    const beside = this.processes.find(({ phase, shadows }) => phase === 'ready' && shadows !== undefined)
    for (const { deployment, version } of one === undefined ? [] : (beside?.bundles ?? [])) {
      const error = qualityOf(version) === 'errs' ? 30 : 0
      beside?.observed.set(deployment, { ok: 100 - error, error, slow: 0 })
      if (qualityOf(version) === 'crashes') this.kill(beside, { reason: 'crash', detail: 'signal SIGSEGV', deployment })
    }
  }

  #aProcess(key: string, bundles: readonly Bundle[], shadows: Process['shadows']): Process {
    return {
      id: ++this.#ids,
      key,
      bundles,
      shadows,
      phase: 'loading',
      proven: false,
      failure: undefined,
      servingSince: undefined,
      observed: new Map(),
      hellosWhenProven: 0,
    }
  }

  #whatServes() {
    const { current, previous, candidate, rollingBack } = this.memory.slots
    return structuredClone({ current, previous, candidate, rollingBack, serving: this.serving()?.id })
  }

  kill(one: RuntimeView | undefined, failure: Failure): void {
    const found = this.processes.find(({ id }) => id === one?.id)
    if (found === undefined || found.phase === 'dead') return
    found.failure = found.phase === 'stopping' ? undefined : failure
    found.phase = 'dead'
  }

  /** What led here, for whoever reads a failure. */
  trail(): string {
    const processes = this.processes.map(({ bundles, phase }) => `${phase} ${bundles.map(nameOf).join(', ')}`)
    return [...this.steps.slice(-30), ...processes, JSON.stringify(this.memory.slots)].join('\n').replace(/0{20,}/g, '')
  }

  serving(): Process | undefined {
    return this.processes.find(({ phase }) => phase === 'serving')
  }

  #fetching(): string[] {
    return [...this.files].filter(([, { state }]) => state === 'fetching').map(([manifest]) => manifest)
  }

  #process(id: number): Process {
    const one = this.processes.find((process) => process.id === id)
    assert(one !== undefined)
    return one
  }

  /** A candidate that runs before its boot counter is on disk could take the device down for ever. */
  #assertCounted(key: string): void {
    const { candidate } = this.memory.slots
    if (candidate === null || keyOf(candidate) !== key) return
    const onDisk = this.disk.candidate
    assert(onDisk !== null && keyOf(onDisk) === key, 'a candidate runs that the disk does not know')
    assert(onDisk.starts === candidate.starts && !onDisk.stoppedCleanly, 'a candidate runs uncounted')
  }

  #assertConfirmed(set: BundleSet): void {
    const wish = this.#accepted
    assert(wish !== undefined, 'activated without an assignment')
    assert(!wish.expired, 'activated by what has expired')
    for (const { deployment, manifest } of changedBundles(set, this.memory.slots.current)) {
      assert(wish.bundles.some((wished) => wished.deployment === deployment && wished.manifest === manifest))
    }
    const trial = this.processes.find(({ key, proven }) => key === keyOf(set) && proven)
    assert(this.#mode === 'stop-start' || trial !== undefined, 'activated without a trial')
    const hellosBefore = this.#mode === 'warm' ? (trial?.hellosWhenProven ?? 0) : this.#hellosWhenStaged
    assert(wish.hello > hellosBefore, 'activated without a fresh confirmation')
  }

  #tell(event: DeviceEvent): void {
    const newest = Math.max(0, ...this.told.map((told) => (told.event === 'progress' ? told.generation : 0)))
    if (event.event === 'progress') {
      const period = this.#periods.findLast(
        ({ name, generation }) => name === nameOf(event) && generation <= event.generation,
      )
      const key = `${nameOf(event)} ${period?.generation}`
      const before = this.#last.get(key)
      const isRepeat = this.told.some((told) => isDeepStrictEqual(told, event))
      if (!isRepeat) {
        assert(event.generation >= newest, 'the generation fell')
        const isFollowed = before !== undefined && !this.#isLate(event)
        const story = [...this.told, event].map((told) =>
          told.event === 'progress'
            ? `${told.deployment} ${told.manifest.replace(/0+$/, '')} ${told.attempt} g${told.generation} ${told.state} ${told.reason ?? ''}`
            : told.event,
        )
        if (isFollowed) assert(isForward(before.state, event.state), `a step back:\n${story.join('\n')}`)
        this.#last.set(key, event)
      }
    }
    this.told.push(event)
  }

  /** Of an attempt that is not wished any more: only its end is told, and it may be told once more in another life. */
  #isLate(event: DeviceEvent & { event: 'progress' }): boolean {
    return ![...(this.wished ?? []), ...this.shadows].some((wished) => nameOf(wished) === nameOf(event))
  }

  #maybeDie(): void {
    if (this.killIn === undefined) return
    // Once dead it stays dead: whatever the same step does afterwards must not reach the disk.
    if (this.killIn > 0) this.killIn--
    else throw new Killed()
  }
}

type Named = { deployment: string; manifest: string; attempt: number; role?: 'shadow' | undefined }
const nameOf = ({ deployment, manifest, attempt, role = undefined }: Named) =>
  `${deployment} ${manifest} ${attempt} ${role ?? ''}`
