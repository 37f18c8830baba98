// The queue of evaluations: asked for now, run one after the other. It lies in the database. What ran when the hub died
// has failed, for it may be what the hub died of; what ran when the hub was stopped goes back to its place.

import assert from 'node:assert'
import { setTimeout as delay } from 'node:timers/promises'
import { auditStatements, type Change } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import packageFile from '../package.json' with { type: 'json' }
import { notFound, Problem } from '../problem.ts'
import type { Score } from '../registry/scoring.ts'
import { checkContest, openContest } from './contest.ts'
import { type Contest, evaluate } from './evaluate.ts'
import { EvaluationError } from './evaluation-error.ts'
import { patientScore } from './patient-score.ts'
import type { NewEvaluation } from './request.ts'
import type { EvaluationResult } from './result.ts'
import {
  countQueued,
  type EvaluationRow,
  endStatement,
  findEvaluation,
  insertEvaluation,
  nextQueued,
  type Outcome,
  requeueStatement,
  runningEvaluations,
  startStatement,
} from './store.ts'

/** Evaluations that wait; one more is asked to come again. */
export const queuedMax = 32
/** One evaluation, from its first row to its figures. */
const runMsMax = 30 * 60_000
/** Pause after the queue itself failed (a database that is busy). */
const retryMs = 1_000

/** Who asks: the change as `changeBy` makes it, its `after` and subject filled in here. */
export type Asking = (action: string, subject: string, values?: { before?: unknown; after?: unknown }) => Change

export type Evaluations = {
  /** @throws Problem where it cannot be done, saying why; overloaded where `queuedMax` wait */
  ask(model: string, version: number, request: NewEvaluation, by: Asking): Promise<EvaluationRow>
  /** @throws Problem not-found; evaluation-ended where it has */
  cancel(id: string, by: Asking): Promise<EvaluationRow>
  /** Works until the hub stops; ends when nothing runs any more. */
  work(): Promise<void>
}

/** `onFinished` hears of each that succeeded. */
export function createEvaluations(
  hub: Hub,
  score: Score,
  onFinished: (model: string, version: number) => Promise<void> | void = () => undefined,
): Evaluations {
  const { database, clock, log, stopping } = hub
  let wake = Promise.withResolvers<void>()
  let running: { id: string; cancelled: AbortController } | undefined

  const end = (row: Pick<EvaluationRow, 'id' | 'model' | 'version'>, outcome: Outcome, by: Asking): Promise<boolean> =>
    database.exclusively(async (tx) => {
      const before = (await findEvaluation(tx, row.id))?.state
      if (before !== 'queued' && before !== 'running') return false
      const after = outcome.state === 'succeeded' ? { state: outcome.state } : outcome
      const change = by(`evaluation.${verbs[outcome.state]}`, `evaluation:${row.id}`, {
        before: { state: before },
        after: { ...after, version: `${row.model}/${row.version}` },
      })
      await tx.write([endStatement(row.id, outcome, clock()), ...(await auditStatements(tx, clock(), [change]))])
      return true
    })

  const runOne = async (row: EvaluationRow): Promise<void> => {
    const [started] = await database.write([startStatement(row.id, clock())])
    if (started !== 1) return
    const cancelled = new AbortController()
    running = { id: row.id, cancelled }
    const signal = AbortSignal.any([cancelled.signal, stopping, AbortSignal.timeout(runMsMax)])
    let outcome: Outcome
    try {
      outcome = { state: 'succeeded', result: await evaluateRow(hub, score, row, signal) }
    } catch (error) {
      if (stopping.aborted) return void (await database.write([requeueStatement(row.id)]))
      if (!(error instanceof EvaluationError) && !signal.aborted)
        log.error({ err: error, evaluation: row.id }, 'evaluation broke')
      outcome = failureOf(error)
    } finally {
      running = undefined
    }
    if (!(await end(row, outcome, byHub))) return
    log.info({ evaluation: row.id, model: row.model, version: row.version, state: outcome.state }, 'evaluation ended')
    if (outcome.state !== 'succeeded') return
    try {
      await onFinished(row.model, row.version)
    } catch (error) {
      log.error({ err: error, evaluation: row.id }, 'what follows an evaluation failed')
    }
  }

  return {
    ask: async (model, version, request, by) => {
      const contest = await openContest(hub, model, version, request)
      const snapshot = await checkContest(hub, contest, request)
      const row = newRow(hub, model, contest, snapshot.digest, request)
      const change = by('evaluation.create', `evaluation:${row.id}`, {
        after: { version: `${model}/${version}`, dataset: row.dataset, champion: row.champion_version },
      })
      const asked = { ...row, created_by: change.actor }
      await database.exclusively(async (tx) => {
        if ((await countQueued(tx)) >= queuedMax) {
          throw new Problem(503, 'overloaded', 'Try again later', `${queuedMax} evaluations wait already`, {
            headers: { 'retry-after': '60' },
          })
        }
        await tx.write([insertEvaluation(asked), ...(await auditStatements(tx, clock(), [change]))])
      })
      wake.resolve()
      return asked
    },

    cancel: async (id, by) => {
      const row = await known(hub, id)
      const outcome: Outcome = {
        state: 'cancelled',
        code: 'cancelled',
        reason: `cancelled by ${by('evaluation.cancel', '').actor}`,
      }
      if (!(await end(row, outcome, by))) {
        const { state } = await known(hub, id)
        throw new Problem(409, 'evaluation-ended', 'It has ended already', `evaluation ${id} is ${state}`)
      }
      if (running?.id === id) running.cancelled.abort(new EvaluationError('cancelled', 'it was cancelled'))
      return known(hub, id)
    },

    work: async () => {
      stopping.addEventListener('abort', () => wake.resolve(), { once: true })
      let interruptedEnded = false
      while (!stopping.aborted) {
        try {
          if (!interruptedEnded) {
            for (const row of await runningEvaluations(database)) await end(row, interrupted, byHub)
            interruptedEnded = true
          }
          wake = Promise.withResolvers<void>()
          if (stopping.aborted) break
          const next = await nextQueued(database)
          if (next === undefined) await wake.promise
          else await runOne(next)
        } catch (error) {
          log.error({ err: error }, 'the queue of evaluations failed; trying again')
          await delay(retryMs, undefined, { signal: stopping }).catch(() => undefined)
        }
      }
    },
  }
}

const verbs = { succeeded: 'succeed', failed: 'fail', cancelled: 'cancel' } as const
const byHub: Asking = (action, subject, values) => ({ actor: 'hub', action, subject, ...values })
const interrupted: Outcome = {
  state: 'failed',
  code: 'interrupted',
  reason: 'the hub ended while it ran; ask for it again',
}

async function known({ database }: Pick<Hub, 'database'>, id: string): Promise<EvaluationRow> {
  const row = await findEvaluation(database, id)
  if (row === undefined) throw notFound('evaluation', id)
  return row
}

function failureOf(error: unknown): Outcome {
  if (error instanceof EvaluationError) return { state: 'failed', code: error.code, reason: error.message }
  if (error instanceof DOMException && error.name === 'TimeoutError') {
    return { state: 'failed', code: 'time-limit', reason: `it took longer than ${runMsMax / 60_000} minutes` }
  }
  if (error instanceof Problem) return { state: 'failed', code: error.code, reason: error.detail }
  return { state: 'failed', code: 'internal', reason: 'something broke in the hub; its log says more' }
}

function newRow(
  hub: Hub,
  model: string,
  { candidate, champion, noChampion }: Contest,
  dataset: string,
  request: NewEvaluation,
): EvaluationRow {
  const createdAt = hub.clock()
  return {
    // the time in milliseconds, so that ids sort by it until the year 5138
    id: `e-${createdAt.toString(36).padStart(9, '0')}-${Buffer.from(hub.random(4)).toString('hex')}`,
    model,
    version: candidate.version,
    state: 'queued',
    code: null,
    reason: null,
    request: { ...request, variant: candidate.variant },
    dataset,
    manifest: candidate.digest,
    champion_version: champion?.version ?? null,
    champion_manifest: champion?.digest ?? null,
    no_champion: noChampion,
    code_version: packageFile.version,
    created_by: 'hub',
    created_at: createdAt,
    started_at: null,
    ended_at: null,
    result: null,
  }
}

/** With the champion of the moment it was asked for. */
async function evaluateRow(hub: Hub, score: Score, row: EvaluationRow, signal: AbortSignal): Promise<EvaluationResult> {
  const { model, version, request, champion_version: champion, no_champion: noChampion } = row
  const contest = { ...(await openContest(hub, model, version, { ...request, champion })), noChampion }
  assert.equal(contest.candidate.digest, row.manifest)
  return evaluate(hub, patientScore(score, signal), contest, row.dataset, request, signal)
}
