// Carries rollouts out: looks at each active one, lets `decide` say what comes next, stores that in one batch together
// with what it wants of the devices, and then tells the devices. Nothing is kept in memory between two looks.

import { setTimeout as delay } from 'node:timers/promises'
import { desireStatements, type Wish } from '../fleet/desired.ts'
import { auditStatements, type Change } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import { assertRollable } from '../promotion/guards.ts'
import type { Reader, Statement, Writer } from '../storage/database.ts'
import { type Action, decide, isBroken, type RolloutView } from './decide.ts'
import { armsOf, evidenceOf } from './evidence.ts'
import { type Operation, operate } from './operate.ts'
import type { NewRollout } from './plan/plan.ts'
import { type PreparedRollout, prepareRollout, type Starter } from './start.ts'
import {
  decisionStatement,
  insertRollout,
  type MemberRow,
  membersOf,
  type RolloutRow,
  rolloutById,
  rolloutsByState,
  type StageRow,
  stagesOf,
  statementsOf,
  unsettledRollouts,
} from './store.ts'
import { judgeStage } from './verdict.ts'
import { deviceViews } from './view.ts'

/** How often rollouts are looked at when nothing is reported. */
const lookEveryMs = 1_000
/** A true report may still correct a device of a rollout that ended this recently. */
const correctsForMs = 7 * 86_400_000

export type FleetLink = {
  isConnected(device: string): boolean
  /** Sends what is wanted to those of the devices that are connected. */
  push(devices: readonly string[]): void
}

export type Rollouts = {
  /** @param starter `mayTouch` throws where who asks may not touch the model, which the rollout would replace
   *  @throws Problem where it cannot start, saying why */
  start(wanted: NewRollout, starter: Starter): Promise<RolloutRow>
  /** @throws Problem where the rollout's state does not allow it */
  operate(id: string, operation: Operation, reason: string, actor: string, requestId?: string): Promise<RolloutRow>
  /** Looks at every active rollout once. */
  look(): Promise<void>
}

export function createRollouts(hub: Hub, fleet: FleetLink): Rollouts {
  const { database, clock, log } = hub

  const carryOut = async (
    tx: Reader & Writer,
    rollout: Loaded,
    actions: readonly Action[],
    by: { actor: string; operation?: Operation; requestId?: string | undefined },
    more: readonly Statement[] = [],
  ): Promise<string[]> => {
    if (actions.length === 0) return []
    const wishes = actions.flatMap((action) => wishOf(rollout, action))
    await tx.write([
      ...actionStatements(rollout.row, actions, by.actor, clock()),
      ...desireStatements(wishes, clock()),
      ...(await auditStatements(tx, clock(), changesOf(rollout, actions, by))),
      ...more,
    ])
    return wishes.map(({ device }) => device)
  }

  const lookAt = async (id: string): Promise<void> => {
    const touched = await database.exclusively(async (tx) => {
      const rollout = await load(tx, id, fleet)
      const judge = await judgeOf(tx, rollout)
      const actions = decide(rollout.view, judge, clock())
      return carryOut(tx, rollout, actions, { actor: 'hub' })
    })
    fleet.push(touched)
  }

  /** A look that fails is repeated by the next one. It must neither stop other rollouts nor make a start or an
   *  operation that is stored seem undone. */
  const tryLook = async (id: string): Promise<void> => {
    try {
      await lookAt(id)
    } catch (error) {
      log.error({ err: error, rollout: id }, 'rollout could not be carried on; trying again')
    }
  }

  return {
    start: async (wanted, starter) => {
      const { actor, requestId } = starter
      const { row, superseded } = await database.exclusively(async (tx) => {
        const prepared = await prepareRollout(hub, tx, wanted, starter, fleet)
        const statements: Statement[] = prepared.supersedes.flatMap((older) => [
          ...statementsOf(
            older,
            { do: 'rollout', state: 'superseded', reason: `superseded by ${prepared.rows.rollout.id}` },
            clock(),
          ),
          decisionStatement(older, actor, 'superseded', { by: prepared.rows.rollout.id }, clock()),
        ])
        await tx.write([
          ...statements,
          ...insertRollout(prepared.rows),
          decisionStatement(prepared.rows.rollout.id, actor, 'started', prepared.story, clock()),
          ...(await auditStatements(tx, clock(), startChanges(prepared, actor, requestId))),
        ])
        return { row: prepared.rows.rollout, superseded: prepared.supersedes }
      })
      log.info({ rollout: row.id, model: row.model, version: row.version, group: row.group_name }, 'rollout started')
      for (const id of [...superseded, row.id]) await tryLook(id)
      return known(database, row.id)
    },

    operate: async (id, operation, reason, actor, requestId) => {
      await database.exclusively(async (tx) => {
        const rollout = await load(tx, id, fleet)
        const actions = operate(rollout.view, operation, reason)
        if ('refused' in actions) {
          throw new Problem(409, 'rollout-state', 'Not possible in this state', actions.refused)
        }
        if (actions.length === 0) return
        if (operation === 'resume') await assertRollable(tx, rollout.row.model, rollout.row.version)
        const acknowledged = operation === 'resume' ? [acknowledgeStatement(rollout)] : []
        await carryOut(tx, rollout, actions, { actor, operation, requestId }, acknowledged)
      })
      await tryLook(id)
      return known(database, id)
    },

    look: async () => {
      const active = await rolloutsByState(database, ['running', 'paused', 'rolling_back'])
      const ended = ['completed', 'rolled_back', 'aborted', 'superseded'] as const
      const unsettled = await unsettledRollouts(database, ended, clock() - correctsForMs)
      for (const { id } of [...active, ...unsettled]) await tryLook(id)
    },
  }
}

/** Looks at the rollouts every second until the hub stops. */
export async function runRollouts(hub: Hub, rollouts: Rollouts): Promise<void> {
  while (!hub.stopping.aborted) {
    await rollouts.look()
    await delay(lookEveryMs, undefined, { signal: hub.stopping }).catch((error: unknown) => {
      if (!hub.stopping.aborted) throw error
    })
  }
}

type Loaded = { row: RolloutRow; stages: StageRow[]; members: MemberRow[]; view: RolloutView }

async function known(reader: Reader, id: string): Promise<RolloutRow> {
  const row = await rolloutById(reader, id)
  if (row === undefined) throw notFound('rollout', id)
  return row
}

async function load(tx: Reader, id: string, fleet: FleetLink): Promise<Loaded> {
  const row = await known(tx, id)
  const stages = await stagesOf(tx, id)
  const members = await membersOf(tx, id)
  const devices = await deviceViews(tx, row.deployment, members, fleet.isConnected)
  const view: RolloutView = {
    state: row.state,
    plan: row.plan,
    stages: stages.map(({ idx, name, state, admitting_since, baking_since }) => ({
      index: idx,
      name,
      state,
      admittingSince: admitting_since,
      bakingSince: baking_since,
    })),
    devices,
  }
  return { row, stages, members, view }
}

/** The verdict over the stage at hand, its reports read once; a rollout that is not running needs none. */
async function judgeOf(tx: Reader, { row, stages, members }: Loaded): Promise<Parameters<typeof decide>[1]> {
  const stage = row.state === 'running' ? stages.find(({ state }) => state !== 'passed') : undefined
  if (stage === undefined || stage.admitting_since === null) return () => ({ outcome: 'undecided', gates: [] })
  const arms = await armsOf(tx, row, members, stage.idx, stage.admitting_since)
  return (index, devices) =>
    judgeStage(row.plan.gates, row.plan.samplesMin, evidenceOf(arms, devices, index, row.acknowledged_failures))
}

/** These hold no device any more: a late word from one must not undo what others have wanted there since. */
const closed: ReadonlySet<RolloutRow['state']> = new Set(['aborted', 'superseded'])

/** What the action wants of a device. */
function wishOf({ row, members }: Loaded, action: Action): Wish[] {
  if (action.do !== 'offer' && action.do !== 'withdraw') return []
  const member = members.find(({ device }) => device === action.device)
  if (member === undefined) return []
  const common = { device: action.device, deployment: row.deployment, by: row.id }
  return action.do === 'offer'
    ? [{ ...common, manifest: member.target, attempt: member.attempt + 1 }]
    : [{ ...common, manifest: member.previous, onlyOwn: closed.has(row.state) }]
}

/** The actions as rows; those that change a stage or the rollout are history as well. */
function actionStatements(row: RolloutRow, actions: readonly Action[], actor: string, nowMs: number): Statement[] {
  const changes = actions.flatMap((action) => statementsOf(row.id, action, nowMs))
  const decisions = actions
    .filter((action) => action.do !== 'device')
    .map((action) => decisionStatement(row.id, actor, action.do, action, nowMs))
  return [...changes, ...decisions]
}

/** What the audit log says of the actions: those of the rollout and its stages; each device's part is its history. */
function changesOf(
  { row, stages }: Loaded,
  actions: readonly Action[],
  { actor, operation, requestId }: { actor: string; operation?: Operation; requestId?: string | undefined },
): Change[] {
  const common = { actor, subject: `rollout:${row.id}`, requestId }
  return actions.flatMap((action): Change[] => {
    if (action.do === 'rollout') {
      const after = { state: action.state, reason: action.reason }
      return [{ ...common, action: `rollout.${operation ?? 'move'}`, before: { state: row.state }, after }]
    }
    if (action.do !== 'stage') return []
    const before = { stage: action.index, state: stages.find(({ idx }) => idx === action.index)?.state ?? null }
    return [{ ...common, action: 'stage.move', before, after: { stage: action.index, state: action.state } }]
  })
}

function startChanges({ rows, supersedes }: PreparedRollout, actor: string, requestId: string | undefined): Change[] {
  const { id, model, version, deployment, group_name: group, query, plan } = rows.rollout
  return [
    ...supersedes.map((older) => ({
      actor,
      action: 'rollout.supersede',
      subject: `rollout:${older}`,
      after: { state: 'superseded', by: id },
      requestId,
    })),
    {
      actor,
      action: 'rollout.start',
      subject: `rollout:${id}`,
      after: { model, version, deployment, group, query, devices: rows.members.length, plan },
      requestId,
    },
  ]
}

/** Whoever resumes has seen the failures so far. */
const acknowledgeStatement = ({ row, view }: Loaded): Statement => ({
  sql: 'UPDATE rollouts SET acknowledged_failures = ? WHERE id = ?',
  args: [view.devices.filter(isBroken).length, row.id],
})
