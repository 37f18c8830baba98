// Looks at the active rollouts: lets `decide` say what comes next, stores that in one batch together with what it wants of
// the devices, and then tells the devices. What matters is never kept in memory between two looks.

import { setTimeout as delay } from 'node:timers/promises'
import type { Hub } from '../hub.ts'
import { notFound, Problem } from '../problem.ts'
import type { Reader, Statement } from '../storage/database.ts'
import { carryOut } from './carry-out.ts'
import { cannotGoBack, decide } from './decide.ts'
import { joinStatements } from './join.ts'
import { gatherFor, judgingOf } from './judging.ts'
import type { AlarmCounter } from './metrics.ts'
import type { Asked } from './operate.ts'
import { isDue, type Rest, rested, restMsMax } from './rest.ts'
import type { Action } from './states.ts'
import { clockJump, type Uptime } from './steady-clock.ts'
import {
  lateDevices,
  overtakenAmong,
  rolloutById,
  rolloutsByState,
  type StoredRollout,
  unsettledRollouts,
} from './store.ts'
import { withPlan } from './unreadable.ts'
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

export type Looks = {
  /** Looks at these, one after the other, however lately they were looked at. */
  now(ids: readonly string[]): Promise<void>
  /** Looks at the active rollouts in which something may have happened. */
  due(): Promise<void>
  /** Has devices told what is wanted of them. What is stored is done, whoever can be told of it now. */
  tell(devices: readonly string[]): void
}

export function createLooks(hub: Hub, fleet: FleetLink, { uptime, alarms }: EngineParts): Looks {
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

  const lookAt = async (id: string): Promise<void> => {
    const isRead = await gatherFor(database, id, clock())
    if (isRead) unread.delete(id)
    else unread.add(id)
    // adding up goes on each second; all the devices are looked at when it is done, or when that is due anyway
    if (!isRead && !isDue(rests.get(id), clock())) return
    const touched = await database.exclusively(async (tx) => {
      const nowMs = clock()
      const rollout = await load(tx, id, { fleet, nowMs })
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

  const lookAtAll = async (ids: readonly string[]): Promise<void> => {
    for (const id of ids) await tryLook(id)
  }

  return {
    now: async (ids) => {
      for (const id of ids) rests.delete(id)
      await lookAtAll(ids)
    },

    due: async () => {
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

    tell,
  }
}

/** Looks at the rollouts until the hub stops. What people do is looked at at once, whenever the next look is due. */
export async function runRollouts(
  { stopping, log }: Pick<Hub, 'stopping' | 'log'>,
  rollouts: { look(): Promise<void> },
): Promise<void> {
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

/** A rollout out of the database, as it stands.
 *  @param expected refuses where the rollout is at another revision  @param asked see `withPlan`
 *  @throws Problem not-found, changed, plan-unreadable */
export async function load(
  tx: Reader,
  id: string,
  { fleet, nowMs, expected, asked }: { fleet: FleetLink; nowMs: number; expected?: number | undefined; asked?: Asked },
): Promise<Loaded> {
  const row = await known(tx, id)
  if (expected !== undefined && expected !== row.revision) {
    throw new Problem(412, 'changed', 'It has changed since you looked', `its ETag is "${row.revision}" now`)
  }
  return loadRollout(tx, await withPlan(tx, row, asked), fleet.isConnected, nowMs)
}

/** @throws Problem not-found */
export async function known(reader: Reader, id: string): Promise<StoredRollout> {
  const row = await rolloutById(reader, id)
  if (row === undefined) throw notFound('rollout', id)
  return row
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
