// The promotion pipeline: versions whose gates pass move by themselves or ask for approval; people move them, approve,
// and take back. Each of it is decided and written in one transaction, together with its record in the audit log.

import { isDeepStrictEqual } from 'node:util'
import { assertStated, assertUnchanged } from '../etag.ts'
import type { Change } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import type { Stage } from '../registry/stages.ts'
import { createApprovals, type Decision, type Revocation } from './approvals.ts'
import { ask, closeStale, closeUnclosed } from './asking.ts'
import type { FindEvaluation } from './gather.ts'
import { putHold } from './holds.ts'
import { type Move, moveVersion } from './moves.ts'
import { automaticStep, manualStep } from './pipeline.ts'
import { insertPolicy, type PolicyRow, policyOf, revisionsMax } from './policies.ts'
import { type Goal, type PromotionPolicy, rankOf } from './policy.ts'
import { type RequestRow, unclosedRequestsOf } from './requests.ts'
import { type Bench, keeping, moveOf, type Standing, standingOf } from './standing.ts'
import { unconsideredMax, unconsideredVersions } from './unconsidered.ts'
import type { VerdictRow } from './verdicts.ts'
import { type Asker, joined, nothingWritten, store, type Written } from './written.ts'

export type Wanted = { model: string; version: number; to: Stage; comment: string; override: boolean }
/** `request`: it waits for approval; null: it has moved. */
export type Outcome = { request: string | null }

export type Promotion = {
  /** Looks at a version's gates and does what the policy does by itself; called after registration and evaluation.
   *  Never throws: what called it is done. */
  consider(model: string, version: number): Promise<void>
  /** Considers the versions that the hub died before it had; for its start. Never throws. */
  catchUp(stopping: AbortSignal): Promise<void>
  /** Judges the gates now, keeps the verdict, and considers.
   *  @throws Problem not-found */
  check(model: string, version: number, goal: Goal | undefined, asker: Asker): Promise<VerdictRow>
  /** @param mayMove whether who asks may move versions, or only ask for approval
   *  @throws Problem not-found, in-stage-already, stage-skipped, gates-not-passed, already-asked, forbidden */
  change(wanted: Wanted, mayMove: boolean, asker: Asker): Promise<Outcome>
  /** @throws Problem not-found, request-closed, request-superseded, own-request, answered-already */
  decide(id: string, decision: Decision, asker: Asker): Promise<RequestRow>
  /** @throws Problem not-found, request-closed, not-your-approval */
  revoke(id: string, revocation: Revocation, asker: Asker): Promise<RequestRow>
  /** @throws Problem precondition-required, changed, too-many-revisions */
  putPolicy(model: string, policy: PromotionPolicy, ifMatch: string | undefined, asker: Asker): Promise<PolicyRow>
}

/** Open requests that a new policy looks at again at once; further ones are found out when somebody answers. */
const reconsideredMax = 1_000

export function createPromotion(
  hub: Pick<Hub, 'database' | 'clock' | 'random' | 'log'>,
  findEvaluation: FindEvaluation,
): Promotion {
  const { database, clock, log } = hub
  const bench: Bench = { hub, findEvaluation }

  /** @returns whether it moved */
  const considerOnce = (model: string, version: number): Promise<boolean> =>
    database.exclusively(async (tx) => {
      const standing = await standingOf(bench, tx, model, version)
      if (standing.policy.revision === 0) return false
      const step = automaticStep({
        stage: standing.row.stage,
        version,
        policy: standing.policy.policy,
        answer: standing.verdict.answer,
        held: standing.held,
        newestInProduction: standing.newestInProduction,
        asked: standing.asked,
      })
      const written = joined(keeping(standing, byHub), closeStale(standing, clock(), byHub))
      if (step.do === 'move') {
        const move = moveOf(standing, {
          to: step.to,
          kind: 'automatic',
          reason: 'its gates passed',
          actor: byHub.actor,
        })
        await store(tx, clock(), byHub, written, await moveVersion(tx, move, standing.policy.policy, clock()))
        return true
      }
      const asking = step.do === 'ask' ? ask(bench, standing, step.to, 'its gates passed', byHub) : nothingWritten
      await store(tx, clock(), byHub, written, asking)
      return false
    })

  const consider = async (model: string, version: number): Promise<void> => {
    try {
      // twice at most: there are two steps to production
      if (await considerOnce(model, version)) await considerOnce(model, version)
    } catch (error) {
      log.error({ err: error, model, version }, 'gates could not be looked at; check them on demand')
    }
  }

  const catchUp = async (stopping: AbortSignal): Promise<void> => {
    try {
      for (const { model, version } of await unconsideredVersions(database, unconsideredMax)) {
        if (stopping.aborted) return
        await consider(model, version)
      }
    } catch (error) {
      log.error({ err: error }, 'versions whose gates were not looked at could not be found; check them on demand')
    }
  }

  const change = (wanted: Wanted, mayMove: boolean, asker: Asker): Promise<Outcome> =>
    database.exclusively(async (tx) => {
      const goal = wanted.to === 'staging' || wanted.to === 'production' ? wanted.to : undefined
      const standing = await standingOf(bench, tx, wanted.model, wanted.version, goal)
      const { row, policy, verdict } = standing
      const step = manualStep(
        { stage: row.stage, policy: policy.policy, answer: verdict.answer, open: standing.open },
        wanted.to,
        wanted.override,
      )
      if ('refused' in step) throw refusal(step.refused, step.detail, standing)
      if (step.do === 'nothing') throw refusal('in-stage-already', step.because, standing)
      const written = joined(keeping(standing, asker), closeStale(standing, clock(), asker))
      if (step.do === 'ask') {
        const asking = ask(bench, standing, step.to, wanted.comment, asker)
        await store(tx, clock(), asker, written, asking)
        return { request: asking.request.id }
      }
      if (!mayMove) {
        throw new Problem(403, 'forbidden', 'Not allowed', 'this move needs no approval; an operator makes it')
      }
      const kind = wanted.override ? 'override' : 'manual'
      const move = moveOf(standing, { to: step.to, kind, reason: wanted.comment, actor: asker.actor })
      const moving = await moveVersion(tx, move, policy.policy, clock())
      const back = rankOf(step.to) < rankOf(row.stage)
      const holding = back ? holdBack(move, clock()) : nothingWritten
      await store(tx, clock(), asker, written, closeUnclosed(standing, step.to, clock()), moving, holding)
      return { request: null }
    })

  return {
    consider,
    catchUp,
    check: async (model, version, goal, asker) => {
      const verdict = await database.exclusively(async (tx) => {
        const standing = await standingOf(bench, tx, model, version, goal)
        await store(tx, clock(), asker, keeping(standing, asker))
        return standing.verdict
      })
      await consider(model, version)
      return verdict
    },
    change: async (wanted, mayMove, asker) => {
      const outcome = await change(wanted, mayMove, asker)
      // in staging the gates of production may pass already
      if (outcome.request === null) await consider(wanted.model, wanted.version)
      return outcome
    },
    ...createApprovals(hub, bench, consider),
    putPolicy: async (model, policy, ifMatch, asker) => {
      assertStated(ifMatch)
      const row = await database.exclusively(async (tx) => {
        const before = await policyOf(tx, model)
        assertUnchanged(before, ifMatch)
        if (before.revision > 0 && isDeepStrictEqual(before.policy, policy)) return before
        if (before.revision >= revisionsMax) {
          throw new Problem(
            409,
            'too-many-revisions',
            'Changed too often',
            `a policy has ${revisionsMax} revisions at most`,
          )
        }
        const made: PolicyRow = {
          model,
          revision: before.revision + 1,
          policy,
          created_by: asker.actor,
          created_at: clock(),
        }
        const recorded: Change = {
          actor: asker.actor,
          action: 'promotion-policy.set',
          subject: `model:${model}`,
          before: before.revision === 0 ? undefined : { revision: before.revision, policy: before.policy },
          after: { revision: made.revision, policy },
        }
        await store(tx, clock(), asker, { statements: [insertPolicy(made)], changes: [recorded] })
        return made
      })
      for (const { version } of await unclosedRequestsOf(database, model, reconsideredMax))
        await consider(model, version)
      return row
    },
  }
}

const byHub: Asker = { actor: 'hub' }

const holdBack = ({ model, version, from_stage, actor, reason }: Move, nowMs: number): Written => ({
  statements: [putHold({ model, version, kind: 'moved-back', stage: from_stage, actor, reason, at: nowMs })],
  changes: [],
})

const titles = {
  'in-stage-already': 'It is there already',
  'stage-skipped': 'One stage after the other',
  'gates-not-passed': 'Its gates do not pass',
  'already-asked': 'It was asked for already',
} as const

function refusal(code: keyof typeof titles, detail: string, { verdict, unclosed }: Standing): Problem {
  const members = {
    'in-stage-already': {},
    'stage-skipped': {},
    'gates-not-passed': { verdict: verdict.rules },
    'already-asked': { request: unclosed?.id },
  }[code]
  const why = code === 'gates-not-passed' ? sentences(verdict) : ''
  return new Problem(409, code, titles[code], `${detail}${why}`, { members })
}

const sentences = ({ rules }: VerdictRow): string =>
  rules
    .filter(({ answer }) => answer !== 'pass')
    .map(({ rule, sentence }) => `; ${rule}: ${sentence}`)
    .join('')
