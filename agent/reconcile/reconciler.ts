// The loop around the plan: look, decide, do, until there is nothing to do; again when something changed or time passed.
// One step at a time, so that no two decisions are ever carried out side by side.

import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { addEvent, countStart, executeStep, type Memory, newMemory, type Ports, situationOf } from './execute.ts'
import { planSteps } from './plan.ts'
import { markStopped, type Slots } from './slots.ts'
import type { Situation } from './steps.ts'
import type { Wish } from './target.ts'

/** Time-outs, probation and retries are looked at so often, whether or not anything else happened. */
export const tickMs = 250
/** Rounds of plan and steps without a pause in between; more means that a step changes nothing, which is a bug. */
export const roundsMax = 1_000

export class Reconciler {
  readonly #ports: Ports
  readonly #limits: Pick<Situation, 'switch' | 'probation'>
  readonly #memory: Memory
  #work: Promise<void> = Promise.resolve()
  #queued = false
  #timer: NodeJS.Timeout | undefined
  #closed = false
  readonly #onFailure: (error: unknown) => void

  /** `slots` as they were found on disk. `onFailure` is told what should never happen. */
  constructor(
    slots: Slots,
    ports: Ports,
    limits: Pick<Situation, 'switch' | 'probation'>,
    onFailure: (error: unknown) => void,
  ) {
    this.#ports = ports
    this.#limits = limits
    this.#onFailure = onFailure
    this.#memory = newMemory(slots)
  }

  get slots(): Slots {
    return this.#memory.slots
  }

  get wish(): Wish | undefined {
    return this.#memory.wish
  }

  start(): void {
    this.#enqueue(() => countStart(this.#memory, this.#ports))
    this.#timer = setInterval(() => this.wake(), tickMs)
    this.wake()
  }

  /** An accepted assignment; replaces the one before. */
  accept(wish: Wish): void {
    this.#memory.wish = wish
    this.wake()
  }

  /** Queues an event that must reach the hub. */
  tell(event: DeviceEvent): void {
    this.#enqueue(() => addEvent(event, this.#memory, this.#ports))
    this.wake()
  }

  /** Something changed: plan again soon. */
  wake(): void {
    if (this.#queued || this.#closed) return
    this.#queued = true
    this.#enqueue(async () => {
      this.#queued = false
      await this.#reconcile()
    })
  }

  /** Ends the loop after the step under way. Reports that could not be kept before get one last try. */
  async close(): Promise<void> {
    if (this.#closed) return this.#work
    this.#closed = true
    clearInterval(this.#timer)
    this.#enqueue(async () => {
      this.#memory.slots = markStopped(this.#memory.slots)
      await executeStep({ kind: 'report' }, this.#memory, this.#ports)
      await executeStep({ kind: 'save' }, this.#memory, this.#ports)
    })
    await this.#work
  }

  #enqueue(task: () => Promise<void>): void {
    this.#work = this.#work.then(task).catch(this.#onFailure)
  }

  async #reconcile(): Promise<void> {
    for (let round = 0; round < roundsMax; round++) {
      const steps = this.#closed ? [] : planSteps(situationOf(this.#memory, this.#ports, this.#limits))
      if (steps.length === 0) return
      for (const step of steps) await executeStep(step, this.#memory, this.#ports)
    }
    throw new Error(`the plan did not settle in ${roundsMax} rounds`)
  }
}
