// What people do with rollouts: start, step in, approve. Each is decided and stored in one transaction, then looked at once
// (looks.ts), so that its devices hear of it now.

import { auditStatements } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { assertRollable } from '../promotion/guards.ts'
import type { Reader, Statement, Writer } from '../storage/database.ts'
import { type Answer, answerStage } from './approve.ts'
import { carryOut } from './carry-out.ts'
import { type Beginner, type Caller, changeOf, createChange, startChanges } from './changes.ts'
import { createLooks, type EngineParts, type FleetLink, known, load } from './looks.ts'
import { type Asked, operate } from './operate.ts'
import { type PreparedRollout, prepareRollout, type Starter, type WantedRollout } from './start.ts'
import {
  awaitApproval,
  decisionStatement,
  insertMembers,
  insertRollout,
  startDraft,
  statementsOf,
} from './statements.ts'
import type { RolloutRow, StoredRollout } from './store.ts'
import { readable } from './unreadable.ts'

export type Rollouts = {
  /** As a draft it is only written down; where its first stage needs approvals it waits for them; else it runs.
   *  @param starter `mayTouch` throws where who asks may not touch the model, which the rollout would replace
   *  @throws Problem where it cannot start, saying why */
  start(wanted: WantedRollout, starter: Starter): Promise<RolloutRow>
  /** Starts a draft. Asked for twice it is done once.
   *  @throws Problem where it cannot start, saying why */
  startDraft(id: string, starter: Starter & Caller): Promise<RolloutRow>
  /** @throws Problem where the rollout's state does not allow it, or it has changed since it was looked at */
  operate(id: string, asked: Asked, by: Caller): Promise<StoredRollout>
  /** Approves a stage, or the rollout before it starts, or rejects it.
   *  @throws Problem where nobody waits for it, the approver may not, or the rollout cannot start */
  answer(id: string, answer: Answer, by: Starter & Caller): Promise<RolloutRow>
  /** Looks at the active rollouts in which something may have happened. */
  look(): Promise<void>
}

export function createRollouts(hub: Hub, fleet: FleetLink, parts: EngineParts = {}): Rollouts {
  const { database, clock, log } = hub
  const looks = createLooks(hub, fleet, parts)

  const begin = async (
    tx: Reader & Writer,
    prepared: PreparedRollout,
    by: Beginner,
    rows: readonly Statement[],
  ): Promise<string[]> => {
    const { rollout, members, supersedes, story } = prepared
    const nowMs = clock()
    const reason = `superseded by ${rollout.id}`
    await tx.write([
      ...supersedes.flatMap((older) => [
        ...statementsOf(older, { do: 'rollout', state: 'superseded', reason }, nowMs),
        decisionStatement(older, by.actor, 'superseded', { by: rollout.id }, nowMs),
      ]),
      ...rows,
      insertMembers(rollout.id, rollout.deployment, members),
      decisionStatement(rollout.id, by.actor, 'started', story, nowMs),
      ...(await auditStatements(tx, nowMs, startChanges(prepared, by))),
    ])
    const { id, model, version, group_name: group } = rollout
    log.info({ rollout: id, model, version, group }, 'rollout started')
    return [...supersedes, id]
  }

  /** A draft, or one that was approved: its members are those of now. */
  const beginStored = async (tx: Reader & Writer, row: RolloutRow, starter: Starter & Beginner, rows: Statement[]) => {
    const prepared = await prepareRollout(hub, tx, wantedBy(row), starter, fleet, row)
    return begin(tx, prepared, starter, [startDraft(row.id, prepared.rollout.query, starter.actor, clock()), ...rows])
  }

  /** The last one began, and took over from the others. */
  const lookAtBegun = async (ids: readonly string[]): Promise<void> => {
    const begun = ids.at(-1)
    if (begun !== undefined) fleet.prepare?.(begun)
    await looks.now(ids)
  }

  return {
    start: async (wanted, starter) => {
      const { id, begun } = await database.exclusively(async (tx) => {
        const prepared = await prepareRollout(hub, tx, wanted, starter, fleet)
        const { rollout } = prepared
        const approvals = rollout.plan.stages[0]?.approvals ?? 0
        if (wanted.draft !== true && approvals === 0) {
          return { id: rollout.id, begun: await begin(tx, prepared, starter, insertRollout(rollout)) }
        }
        const state = wanted.draft === true ? ('draft' as const) : ('awaiting_approval' as const)
        const reason = `${wanted.draft === true ? 'written' : 'asked for'} by ${starter.actor}`
        const row = { ...rollout, state, reason, started_by: wanted.draft === true ? null : starter.actor }
        await tx.write([
          ...insertRollout(row),
          decisionStatement(rollout.id, starter.actor, state, prepared.story, clock()),
          ...(await auditStatements(tx, clock(), [createChange(row, prepared.members.length, starter)])),
        ])
        return { id: rollout.id, begun: [] }
      })
      await lookAtBegun(begun)
      return readable(await known(database, id))
    },

    startDraft: async (id, starter) => {
      const begun = await database.exclusively(async (tx) => {
        const { row } = await load(tx, id, { fleet, nowMs: clock(), expected: starter.expected })
        if (row.state !== 'draft') {
          if (row.started_by !== null && row.state !== 'aborted') return []
          throw new Problem(
            409,
            'rollout-state',
            'Not possible in this state',
            `a rollout that is ${row.state} cannot start`,
          )
        }
        if ((row.plan.stages[0]?.approvals ?? 0) === 0) return beginStored(tx, row, starter, [])
        await prepareRollout(hub, tx, wantedBy(row), starter, fleet, row)
        const before = { state: 'draft' }
        const change = { ...changeOf(row, 'start', starter), before, after: { state: 'awaiting_approval' } }
        await tx.write([
          awaitApproval(id, starter.actor, clock()),
          decisionStatement(id, starter.actor, 'awaiting_approval', {}, clock()),
          ...(await auditStatements(tx, clock(), [change])),
        ])
        return []
      })
      await lookAtBegun(begun)
      return readable(await known(database, id))
    },

    operate: async (id, asked, by) => {
      const touched = await database.exclusively(async (tx) => {
        const rollout = await load(tx, id, { fleet, nowMs: clock(), expected: by.expected, asked })
        const actions = operate(rollout.view, asked, by.actor)
        if ('refused' in actions) {
          const field = actions.field === undefined ? {} : { field: actions.field }
          throw new Problem(409, 'rollout-state', 'Not possible in this state', actions.refused, field)
        }
        if (actions.length === 0) return []
        if (asked.operation === 'resume') await assertRollable(tx, rollout.row.model, rollout.row.version)
        return carryOut(tx, rollout, actions, { ...by, ...asked }, clock())
      })
      // the look that follows finds what was asked here done, and tells of it nobody
      looks.tell(touched)
      await looks.now([id])
      return known(database, id)
    },

    answer: async (id, answer, by) => {
      const begun = await database.exclusively(async (tx) => {
        const rollout = await load(tx, id, { fleet, nowMs: clock(), expected: by.expected })
        const answered = await answerStage(tx, rollout, answer, clock())
        if (answered === undefined) return []
        const { stage, actions, statements, starts } = answered
        const { decision, comment } = answer
        const detail = { decision, stage: stage.name, comment }
        const rows = [...statements, decisionStatement(id, answer.actor, 'approval', detail, clock())]
        if (starts) return beginStored(tx, rollout.row, { ...by, also: detail }, rows)
        await tx.write([
          ...rows,
          ...actions.flatMap((action) => [
            ...statementsOf(id, action, clock()),
            decisionStatement(id, answer.actor, action.do, action, clock()),
          ]),
          ...(await auditStatements(tx, clock(), [{ ...changeOf(rollout.row, decision, by), after: detail }])),
        ])
        return [id]
      })
      await lookAtBegun(begun)
      return readable(await known(database, id))
    },

    look: looks.due,
  }
}

/** What a draft asks for, as it was asked. */
const wantedBy = ({ model, version, group_name: group, deployment, plan, supersede }: RolloutRow): WantedRollout => ({
  model,
  version,
  group,
  deployment,
  plan,
  supersede,
})
