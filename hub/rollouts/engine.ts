// Carries rollouts out: looks at each active one, lets `decide` say what comes next, stores that in one batch together
// with what it wants of the devices, and then tells the devices. What matters is never kept in memory between two looks.

import { setTimeout as delay } from 'node:timers/promises'
import { auditStatements, type Change } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import { assertRollable } from '../promotion/guards.ts'
import type { Reader, Statement, Writer } from '../storage/database.ts'
import { type Answer, answerStage } from './approve.ts'
import { carryOut } from './carry-out.ts'
import { cannotGoBack, decide } from './decide.ts'
import { joinStatements } from './join.ts'
import { gatherFor, judgingOf } from './judging.ts'
import type { AlarmCounter } from './metrics.ts'
import { type Asked, operate } from './operate.ts'
import { isDue, type Rest, rested, restMsMax } from './rest.ts'
import { type PreparedRollout, prepareRollout, type Starter, type WantedRollout } from './start.ts'
import {
  awaitApproval,
  decisionStatement,
  insertMembers,
  insertRollout,
  startDraft,
  statementsOf,
} from './statements.ts'
import type { Action } from './states.ts'
import { clockJump, type Uptime } from './steady-clock.ts'
import {
  lateDevices,
  overtakenAmong,
  type RolloutRow,
  rolloutById,
  rolloutsByState,
  type StoredRollout,
  unsettledRollouts,
} from './store.ts'
import { readable, withPlan } from './unreadable.ts'
import { type Loaded, loadRollout } from './view.ts'

/** How often rollouts are looked at; those of very many devices less often, so that looking takes a tenth of the time at
 *  the most. */
const lookEveryMs = 1_000
const lookShareMax = 0.1
const lookEveryMsMax = 15_000
/** How often devices are sought that join a dynamic rollout. */
const joinEveryMs = 30_000
/** A true report may still correct a device of a rollout that ended this recently. */
const correctsForMs = 7 * 86_400_000
/** A device that was away at the end gets the version if it returns this soon, where a maintenance window must be waited
 *  for. */
const lateForMs = 90 * 86_400_000

export type FleetLink = {
  isConnected(device: string): boolean
  /** Sends what is wanted to those of the devices that are connected. */
  push(devices: readonly string[]): void
  /** Has the patches made that the rollout's devices will need. */
  prepare?(rollout: string): void
}

/** `uptime`: tells jumps of the clock; without it none is looked for. `alarms` counts devices that cannot go back. */
export type EngineParts = { uptime?: Uptime; alarms?: AlarmCounter }

/** `expected`: refuses where the rollout is at another revision. */
export type Caller = { actor: string; requestId?: string | undefined; expected?: number | undefined }

/** `also`: of the approval that made it begin. */
type Beginner = Caller & { also?: unknown }

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

export function createRollouts(hub: Hub, fleet: FleetLink, { uptime, alarms }: EngineParts = {}): Rollouts {
  const { database, clock, log } = hub
  /** Why the last look at a rollout failed: said once, not every second. */
  const failing = new Map<string, string>()
  const joinedAt = new Map<string, number>()
  const rests = new Map<string, Rest>()
  /** Of these not all is added up yet that their devices have reported. */
  const unread = new Set<string>()
  /** Rollouts that ended and may still change, as last sought. */
  let unsettled: { ids: string[]; atMs: number } = { ids: [], atMs: Number.NEGATIVE_INFINITY }
  let jumpPending = uptime !== undefined

  const load = async (tx: Reader, id: string, expected?: number, asked?: Asked): Promise<Loaded> => {
    const row = await known(tx, id)
    if (expected !== undefined && expected !== row.revision) {
      throw new Problem(412, 'changed', 'It has changed since you looked', `its ETag is "${row.revision}" now`)
    }
    return loadRollout(tx, await withPlan(tx, row, asked), fleet.isConnected, clock())
  }

  const lookAt = async (id: string): Promise<void> => {
    const isRead = await gatherFor(database, id, clock())
    if (isRead) unread.delete(id)
    else unread.add(id)
    // adding up goes on each second; all the devices are looked at when it is done, or when that is due anyway
    if (!isRead && !isDue(rests.get(id), clock())) return
    const touched = await database.exclusively(async (tx) => {
      const rollout = await load(tx, id)
      const nowMs = clock()
      const { judge, record } = await judgingOf(tx, hub.blobs, rollout, nowMs, isRead)
      const actions = await withoutOvertaken(tx, rollout, decide(rollout.view, judge, nowMs))
      const joiners = await joining(tx, rollout, nowMs)
      const looks = await record(actions)
      const devices = await carryOut(tx, rollout, actions, { actor: 'hub' }, nowMs, [...looks, ...joiners])
      alarm(rollout, actions)
      rests.set(id, rested(rests.get(id), actions.length > 0, nowMs))
      return devices
    })
    tell(touched)
  }

  /** What is stored is done, whoever can be told of it now: the others hear it at their next hello. */
  const tell = (devices: readonly string[]): void => {
    try {
      fleet.push(devices)
    } catch (error) {
      log.error({ err: error, devices: devices.length }, 'devices could not be told; they hear it at their next hello')
    }
  }

  const joining = async (tx: Reader, rollout: Loaded, nowMs: number): Promise<Statement[]> => {
    const { id, state, plan } = rollout.row
    if (!plan.dynamic || state !== 'running' || nowMs - (joinedAt.get(id) ?? 0) < joinEveryMs) return []
    joinedAt.set(id, nowMs)
    return joinStatements(tx, rollout, fleet.isConnected, nowMs)
  }

  const alarm = ({ row }: Loaded, actions: readonly Action[]): void => {
    for (const action of actions) {
      if (action.do !== 'device' || !cannotGoBack({ ...action, reported: undefined })) continue
      alarms?.inc()
      log.error({ rollout: row.id, device: action.device }, 'a device cannot go back to what it ran before')
    }
  }

  /** A look that fails is repeated by the next one. It must neither stop other rollouts nor make a start or an
   *  operation that is stored seem undone. */
  const tryLook = async (id: string): Promise<void> => {
    try {
      await lookAt(id)
      failing.delete(id)
    } catch (error) {
      const why = String(error)
      if (failing.get(id) !== why)
        log.error({ err: error, rollout: id }, 'rollout could not be carried on; trying again')
      failing.set(id, why)
    }
  }

  /** Sought seldom: it reads the devices of every rollout of the last days. */
  const stillUnsettled = async (): Promise<string[]> => {
    const nowMs = clock()
    const passedMs = nowMs - unsettled.atMs
    if (passedMs < 0 || passedMs >= restMsMax) {
      const ended = ['completed', 'rolled_back', 'aborted', 'superseded'] as const
      const late = (await lateDevices(database, nowMs - lateForMs)).filter(({ device }) => fleet.isConnected(device))
      const ids = [
        ...(await unsettledRollouts(database, ended, nowMs - correctsForMs)),
        ...late.map(({ rollout }) => rollout),
      ]
      unsettled = { ids: [...new Set(ids)], atMs: nowMs }
    }
    return unsettled.ids
  }

  /** Once after the start at least, so that one while the hub was down is told as well. */
  const followClock = async (): Promise<void> => {
    if (uptime === undefined) return
    const jumpedMs = await database.exclusively(async (tx) => {
      const jump = await clockJump(tx, uptime(), clock())
      await tx.write(jump.statements)
      return jump.jumpedMs
    })
    if (jumpedMs !== 0)
      log.warn({ jumpedMs }, 'the clock has jumped; the times of running rollouts are moved by as much')
    jumpPending = false
  }

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
    const prepared = await prepareRollout(hub, tx, wantedBy(row), starter, fleet, row.id)
    return begin(tx, prepared, starter, [startDraft(row.id, prepared.rollout.query, starter.actor, clock()), ...rows])
  }

  const lookAtAll = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) await tryLook(id)
  }

  /** The last one began, and took over from the others. */
  const lookAtBegun = async (ids: readonly string[]): Promise<void> => {
    const begun = ids.at(-1)
    if (begun !== undefined) fleet.prepare?.(begun)
    for (const id of ids) rests.delete(id)
    await lookAtAll(ids)
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
        const { row } = await load(tx, id, starter.expected)
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
        await prepareRollout(hub, tx, wantedBy(row), starter, fleet, row.id)
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
        const rollout = await load(tx, id, by.expected, asked)
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
      tell(touched)
      rests.delete(id)
      await tryLook(id)
      return known(database, id)
    },

    answer: async (id, answer, by) => {
      const begun = await database.exclusively(async (tx) => {
        const rollout = await load(tx, id, by.expected)
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

    look: async () => {
      try {
        await followClock()
      } catch (error) {
        log.error({ err: error }, 'whether the clock has jumped could not be told; trying again')
        // better a look a second late than a stage that is over too soon
        if (jumpPending) return
      }
      const active = await rolloutsByState(database, ['running', 'paused', 'rolling_back'])
      const looked = new Set([...active, ...(await stillUnsettled())])
      for (const kept of [failing, joinedAt, rests, unread]) {
        for (const id of kept.keys()) if (!looked.has(id)) kept.delete(id)
      }
      await lookAtAll([...looked].filter((id) => unread.has(id) || isDue(rests.get(id), clock())))
    },
  }
}

/** Looks at the rollouts until the hub stops. What people do is looked at at once, whenever the next look is due. */
export async function runRollouts({ stopping, log }: Pick<Hub, 'stopping' | 'log'>, rollouts: Rollouts): Promise<void> {
  while (!stopping.aborted) {
    const beganMs = performance.now()
    try {
      await rollouts.look()
    } catch (error) {
      log.error({ err: error }, 'rollouts could not be looked at; trying again')
    }
    const restMs = (performance.now() - beganMs) * (1 / lookShareMax - 1)
    await delay(Math.min(Math.max(lookEveryMs, restMs), lookEveryMsMax), undefined, { signal: stopping }).catch(
      (error: unknown) => {
        if (!stopping.aborted) throw error
      },
    )
  }
}

/** What a rollout that has completed still offers is offered only where nobody has wanted anything else since. */
async function withoutOvertaken(tx: Reader, { row }: Loaded, actions: readonly Action[]): Promise<Action[]> {
  if (row.state !== 'completed') return [...actions]
  const offered = actions.flatMap((action) => (action.do === 'offer' ? [action.device] : []))
  if (offered.length === 0) return [...actions]
  const overtaken = await overtakenAmong(tx, row.id, offered)
  return actions.map((action) =>
    action.do === 'offer' && overtaken.has(action.device)
      ? { do: 'device', device: action.device, state: 'superseded', reason: null }
      : action,
  )
}

async function known(reader: Reader, id: string): Promise<StoredRollout> {
  const row = await rolloutById(reader, id)
  if (row === undefined) throw notFound('rollout', id)
  return row
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

const changeOf = ({ id }: Pick<RolloutRow, 'id'>, verb: string, { actor, requestId }: Caller): Change => ({
  actor,
  action: `rollout.${verb}`,
  subject: `rollout:${id}`,
  requestId,
})

function createChange(row: PreparedRollout['rollout'], devices: number, by: Caller): Change {
  const { model, version, deployment, group_name: group, query, plan, state } = row
  return { ...changeOf(row, 'create', by), after: { state, model, version, deployment, group, query, devices, plan } }
}

function startChanges({ rollout, members, supersedes }: PreparedRollout, by: Beginner): Change[] {
  const { id, model, version, deployment, group_name: group, query, plan } = rollout
  const after = { model, version, deployment, group, query, devices: members.length, plan }
  return [
    ...supersedes.map((older) => ({
      ...changeOf({ id: older }, 'supersede', by),
      after: { state: 'superseded', by: id },
    })),
    ...(by.also === undefined ? [] : [{ ...changeOf(rollout, 'approve', by), after: by.also }]),
    { ...changeOf(rollout, 'start', by), after },
  ]
}
