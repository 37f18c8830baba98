// Approvals of a rollout's stages: who may give one, and what it moves.

import { namesOfTokens, withNames } from '../governance/token-names.ts'
import { Problem } from '../problem.ts'
import { samePerson } from '../promotion/persons.ts'
import type { Reader, Statement } from '../storage/database.ts'
import { approversBeside, howToApprove } from './approvers.ts'
import { waitsOf } from './documents.ts'
import { insertApproval, voidApprovals } from './statements.ts'
import type { Action, StageView } from './states.ts'
import { approvalsOf, type RolloutRow } from './store.ts'
import type { Loaded } from './view.ts'

/** `stage`: the name of the stage that is meant; the one that waits, where left out. `name`: the approver's, as the token
 *  has it. */
export type Answer = {
  decision: 'approve' | 'reject'
  comment: string
  stage?: string | undefined
  actor: string
  name: string
}

/** `starts`: it was the last one that the rollout as a whole waited for. Nothing at all where it was said before. */
export type Answered = { stage: StageView; actions: Action[]; statements: Statement[]; starts: boolean } | undefined

/** @throws Problem own-rollout, nothing-to-approve, not-found */
export async function answerStage(tx: Reader, loaded: Loaded, answer: Answer, nowMs: number): Promise<Answered> {
  const { row, view } = loaded
  const stage = await stageMeant(tx, loaded, answer, nowMs)
  if (stage === undefined) return undefined
  await assertMayAnswer(tx, row, answer.actor, nowMs)
  const others = (await approvalsOf(tx, row.id)).filter((given) => given.stage === stage.index && !given.void)
  for (const given of others) {
    if (!(await samePerson(tx, given.approver, answer.actor))) continue
    if (answer.decision === 'reject') break
    if (given.approver === answer.actor) return undefined
    const names = await namesOfTokens(tx, [given.approver, answer.actor])
    const detail = `${withNames(given.approver, names)}, who must be taken for the same person as ${withNames(answer.actor, names)}, has approved it`
    throw new Problem(409, 'answered-already', 'Approved already', detail)
  }
  const { actor, name, decision, comment } = answer
  const said = insertApproval(row.id, { stage: stage.index, approver: actor, name, decision, comment, at: nowMs })
  if (decision === 'reject') {
    const reason = `${actor} rejected stage ${stage.name}${comment === '' ? '' : `: ${comment}`}`
    const ends: Action =
      view.state === 'awaiting_approval'
        ? { do: 'rollout', state: 'rejected', reason }
        : { do: 'rollout', state: 'paused', reason, kind: 'rejected' }
    return { stage, actions: [ends], statements: [voidApprovals(row.id, stage.index), said], starts: false }
  }
  const needed = row.plan.stages[stage.index]?.approvals ?? 0
  const starts = view.state === 'awaiting_approval' && stage.approvals + 1 >= needed
  return { stage, actions: [], statements: [said], starts }
}

/** The stage that waits for approvals; undefined where this approver has approved the stage they mean before.
 *  @throws Problem nothing-to-approve, not-found */
async function stageMeant(
  tx: Reader,
  { row, view }: Loaded,
  answer: Answer,
  nowMs: number,
): Promise<StageView | undefined> {
  const waits = waitingStage(view.state, view.stages, row)
  const named = answer.stage === undefined ? waits : view.stages.find(({ name }) => name === answer.stage)
  if (answer.stage !== undefined && named === undefined) {
    const names = view.stages.map(({ name }) => name).join(', ')
    throw new Problem(404, 'not-found', 'Not found', `there is no stage ${answer.stage}; they are ${names}`, {
      field: 'stage',
    })
  }
  if (named !== undefined && named.index === waits?.index) return named
  // what was said of an earlier stage is no answer to what is asked at the present one
  const meant = named ?? view.stages.find(({ state }) => state !== 'passed') ?? view.stages.at(-1)
  const given = await approvalsOf(tx, row.id)
  const mine = given.some(
    ({ approver, decision, stage, void: isVoid }) =>
      approver === answer.actor &&
      decision === answer.decision &&
      (!isVoid || decision === 'reject') &&
      stage === meant?.index,
  )
  if (mine) return undefined
  const what = named === undefined ? `rollout ${row.id}, ${view.state.replaceAll('_', ' ')},` : `stage ${named.name}`
  const instead = await waitsOf(tx, row, view, nowMs)
  const detail = `${what} waits for no approval now${instead === undefined ? '' : `; the rollout waits for ${instead.for}`}`
  throw new Problem(409, 'nothing-to-approve', 'Nothing waits for it', detail)
}

function waitingStage(
  state: Loaded['view']['state'],
  stages: readonly StageView[],
  { plan }: RolloutRow,
): StageView | undefined {
  if (state === 'awaiting_approval') return stages[0]
  if (state !== 'running') return undefined
  const present = stages.find((stage) => stage.state !== 'passed')
  if (present === undefined || (present.state !== 'pending' && present.state !== 'held')) return undefined
  return (plan.stages[present.index]?.approvals ?? 0) > 0 ? present : undefined
}

/** Others who may, so many are named. */
const othersMax = 5

/** @throws Problem own-rollout */
async function assertMayAnswer(
  tx: Reader,
  { model, created_by, started_by }: RolloutRow,
  actor: string,
  nowMs: number,
): Promise<void> {
  const starters = [...new Set([created_by, ...(started_by === null ? [] : [started_by])])]
  for (const starter of starters) {
    if (!(await samePerson(tx, starter, actor))) continue
    const who = starter === actor ? 'and that is you' : `and ${actor} must be taken for the same person`
    const others = await approversBeside(tx, model, starters, nowMs, othersMax)
    const next =
      others.length > 0
        ? `these may approve it: ${others.map((other) => `${other.name} (${other.actor})`).join(', ')}`
        : `nobody else may now: ${howToApprove}`
    throw new Problem(
      403,
      'own-rollout',
      'Somebody else must approve',
      withNames(`${starter} started this rollout, ${who}; ${next}`, await namesOfTokens(tx, [starter, actor])),
    )
  }
}
