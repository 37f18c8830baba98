// Runs a stranger's model once, in a process of its own (scorer-process.ts), and gives what it answers.
// Golden outputs and the baseline of the outputs come from here.

import { vectorsMax } from './scorer/bounds.ts'
import type { Tensors } from './scorer-messages.ts'
import { type Patience, type Scorer, startScorer } from './scorer-process.ts'
import { type Score, ScoreError, type ScoreRequest } from './scoring.ts'

/** Scorers that run at once; more would only share the processor, and each may take its model's memory. */
const parallelMax = 2
/** Registrations that wait for one of them; at the bound the next is refused as busy. */
const waitingMax = 16
/** One registration's model, load to last row. */
const scoreMsMax = 300_000
/** To start the bare process on a busy machine. */
const startMsMax = 30_000
/** What an inference may take beyond its limit before it counts as hung: this machine has other things to do. */
const graceMs = 2000

/** The hub's scorer: at most two models run at once, the rest wait their turn. Its `ScoreError` codes: `does-not-load`,
 *  `interface-differs`, `memory-limit`, `time-limit`, `inference-failed`, `output-too-large`, `crashed`, `busy`.
 *  Where the machine cannot limit a process it throws a plain error and runs nothing. */
export function createScorer(): Score {
  const takeTurn = createTurns()
  return async function* score(request) {
    const release = await takeTurn()
    try {
      await using scorer = await startScorer({
        memoryBytes: request.limits.memoryBytes,
        modelPath: request.path,
        cpuMs: scoreMsMax,
        startMs: startMsMax,
      })
      yield* scoreWith(scorer, request)
    } finally {
      release()
    }
  }
}

async function* scoreWith(scorer: Scorer, request: ScoreRequest): AsyncGenerator<Tensors, void, undefined> {
  const { path, limits } = request
  const deadlineMs = performance.now() + scoreMsMax
  const load = { kind: 'load' as const, path, inputs: [...request.inputs], outputs: [...request.outputs] }
  const loading = { timeoutMs: limits.trialMs, late: `loading took longer than ${limits.trialMs} ms` }
  await scorer.ask(load, 'loaded', loading)
  for (const vectors of batches(request.vectors)) {
    const run = { kind: 'run' as const, vectors }
    let open = vectors.length
    let reply = await scorer.ask(run, 'outputs', inferring(limits.inferenceMs, deadlineMs))
    while (true) {
      open -= reply.outputs.length
      if (open < 0) throw new ScoreError('crashed', 'the process answered more than it was asked')
      request.onTimes?.(reply.tookMs)
      yield* reply.outputs
      if (open === 0) break
      reply = await scorer.reply('outputs', inferring(limits.inferenceMs, deadlineMs))
    }
  }
}

function inferring(inferenceMs: number, deadlineMs: number): Patience {
  const leftMs = deadlineMs - performance.now()
  if (leftMs < inferenceMs + graceMs) return { timeoutMs: leftMs, late: `scoring took longer than ${scoreMsMax} ms` }
  return { timeoutMs: inferenceMs + graceMs, late: `an inference did not end within ${inferenceMs} ms` }
}

function* batches(vectors: Iterable<Tensors>): Generator<Tensors[], void, undefined> {
  let batch: Tensors[] = []
  for (const vector of vectors) {
    batch.push(vector)
    if (batch.length < vectorsMax) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

/** First come, first served. What is returned gives the turn to the next in line. */
function createTurns(): () => Promise<() => void> {
  const waiting: (() => void)[] = []
  let running = 0
  function release(): void {
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
  return async () => {
    if (running < parallelMax) {
      running += 1
      return release
    }
    if (waiting.length >= waitingMax)
      throw new ScoreError('busy', `${waitingMax} models wait to be run; try again later`)
    await new Promise<void>((resolve) => waiting.push(resolve))
    return release
  }
}
