// Many simulated rollouts, spread over the cores.

import { Worker } from 'node:worker_threads'
import { z } from 'zod'
import type { DrawRefusal } from '../plan/draw.ts'
import { RolloutPlan } from '../plan/plan.ts'
import type { Ending } from './run.ts'
import { Effect, FleetTraits } from './scenario.ts'

export const rolloutsMax = 100_000

/** `withThreshold`: each rollout a second time, to the same fleet, judged by a plain threshold. */
export const Batch = z.object({
  plan: RolloutPlan,
  traits: FleetTraits,
  effect: Effect,
  withThreshold: z.boolean(),
  seeds: z.array(z.number().int()),
})
export type Batch = z.infer<typeof Batch>

export type Both = { roost: Ending; threshold: Ending | null }

export class PlanRefusedError extends Error {
  readonly refusal: DrawRefusal
  constructor(refusal: DrawRefusal) {
    super(refusal.detail)
    this.name = 'PlanRefusedError'
    this.refusal = refusal
  }
}

/** Simulates one rollout for each seed. In order of the seeds, whatever the number of threads.
 *  @param threads at least 1
 *  @param onEnding called after each, with how many have ended
 *  @throws PlanRefusedError where such a fleet cannot meet the plan */
export async function simulateMany(
  batch: Batch,
  threads: number,
  onEnding: (ended: number) => void = () => undefined,
): Promise<Both[]> {
  const parts = Array.from({ length: threads }, (_, part) => batch.seeds.filter((_, i) => i % threads === part))
  let ended = 0
  const told = () => onEnding(++ended)
  const results = await Promise.all(
    parts.filter((seeds) => seeds.length > 0).map((seeds) => simulatePart({ ...batch, seeds }, told)),
  )
  return batch.seeds.map((_, i) => {
    const one = results[i % threads]?.[Math.floor(i / threads)]
    if (one === undefined) throw new Error('a simulated rollout was lost')
    return one
  })
}

function simulatePart(batch: Batch, onEnding: () => void): Promise<Both[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL('./worker.ts', import.meta.url), { workerData: batch })
    const results: Both[] = []
    worker.on('message', (message: Both | DrawRefusal) => {
      if ('refused' in message) {
        reject(new PlanRefusedError(message))
        worker.terminate().catch(reject)
        return
      }
      results.push(message)
      onEnding()
    })
    worker.on('error', reject)
    worker.on('exit', () => resolve(results))
  })
}
