// The shadow's side: repeats what it is handed, in order, and counts how its answers lie to the primary's. It runs by
// itself between the words of control, so that it can be told to stop in the middle of a batch.

import type { Deployment } from '../deployment.ts'
import type { AgreementRecorder } from './agreement.ts'
import { type Batch, type Cell, type Entry, receivedTensors } from './pairs.ts'

export type Shadow = { deployment: Deployment; agreement: AgreementRecorder; primary: string | undefined }

export type Comparer = {
  take: (batch: Batch) => void
  /** Resolves when no inference is on its way any more; what was left is counted as dropped. */
  stop: () => Promise<void>
}

/** After so many records the process looks at its timers, even if none of them reached the model. */
const recordsPerTurn = 32

/** `done`: a batch is finished, the next may come. */
export function createComparer(shadows: ReadonlyMap<string, Shadow>, done: (deployment: string) => void): Comparer {
  const waiting: Batch[] = []
  let running: Promise<void> | undefined
  let stopped = false

  async function run(): Promise<void> {
    for (let batch = waiting.shift(); batch !== undefined; batch = waiting.shift()) {
      const shadow = shadows.get(batch.deployment)
      if (shadow !== undefined) await work(shadow, batch)
      if (!stopped) done(batch.deployment)
    }
    running = undefined
  }

  async function work(shadow: Shadow, batch: Batch): Promise<void> {
    const { deployment, agreement } = shadow
    if (shadow.primary !== batch.primary) {
      // Figures beside one version are not added to those beside another.
      if (shadow.primary !== undefined) deployment.recorder.close()
      shadow.primary = batch.primary
      agreement.against(batch.primary)
    }
    agreement.dropped(batch.dropped)
    if (batch.gap) deployment.forget()
    for (const [index, entry] of batch.entries.entries()) {
      if (stopped) {
        agreement.dropped(batch.entries.slice(index).filter(({ answer }) => answer !== undefined).length)
        return
      }
      await repeat(shadow, entry, batch.fields)
      if (entry.answer !== undefined || index % recordsPerTurn === 0) await nextTurn()
    }
  }

  async function repeat({ deployment, agreement }: Shadow, entry: Entry, fields: readonly string[]): Promise<void> {
    const { feeds, answer, late } = entry
    if (late !== undefined) {
      const answered = agreement.labelled(late)
      if (answered !== undefined) deployment.recorder.labelled(answered, late.label)
      return
    }
    const record = entry.record && recordOf(entry.record, fields)
    if (answer === undefined) {
      if (record !== undefined) deployment.warm(record)
      return
    }
    // In the same breath as the window counts the inference.
    const counted: Parameters<Deployment['predict']>[1] = (outputs) => agreement.compare(answer, outputs)
    if (record !== undefined) {
      const prediction = await deployment.predict(record, counted, 'full-windows-only')
      if (!prediction.ok && prediction.why === 'filling') agreement.dropped(1)
    } else if (feeds !== undefined) await deployment.infer(receivedTensors(feeds), counted)
  }

  return {
    take(batch) {
      if (stopped) return
      waiting.push(batch)
      running ??= run()
    },
    async stop() {
      stopped = true
      await running
    },
  }
}

/** From entries, which define own properties: a field may be called __proto__. */
const recordOf = (cells: readonly Cell[], fields: readonly string[]): Record<string, unknown> =>
  Object.fromEntries(fields.map((field, i) => [field, cells[i] ?? null]))

const nextTurn = () => new Promise<void>((resolve) => setImmediate(resolve))
