// The books after kills: what an application was answered against what the hub has counted, life by life of the agent and
// version by version. Never more than was answered; and of what is missing it is known why.

import type { WindowReport } from '@roost/shared/protocol/records.ts'
import type { Client } from '../../hub/cli/client.ts'
import type { StoredEvent } from '../../hub/telemetry/events.ts'
import { countsOf, eventsOf, type Gateway, windowsOf } from './a-fleet.ts'
import type { Answer, Application, Failure } from './an-application.ts'

/** The time from a start of an agent to its end. */
export type Life = { startedMs: number; endedMs: number }
export type Device = { gateway: Gateway; application: Application; lives: Life[] }

export type Book = {
  answered: number
  counted: number
  /** Windows that were open at a kill and are counted up to their last checkpoint. */
  interrupted: number
  /** Answers that are not counted: after the last checkpoint before a kill. */
  lost: number
  /** Requests that were under way when a runtime was killed: counted or not. */
  underWay: number
  /** The longest stretch before a kill whose answers are not counted, less the pauses in which nobody was answered. */
  lostMs: number
}

/** What a checkpoint a second may cost on a machine that is busy killing. */
const lostMsAllowed = 5_000
/** What a pause between two answers counts at most: in a longer one the machine was held up. */
const pauseMsMax = 500

/** @throws Error where the books differ */
export async function balance(operator: Client, { gateway, application, lives }: Device): Promise<Book> {
  const windows = await windowsOf(operator, gateway.name)
  const { totals } = await countsOf(operator, gateway.name)
  const listed = windows.reduce((sum, { counts }) => sum + counts.ok, 0)
  assertThat(listed === totals.ok, `${gateway.name}: windows say ${listed}, totals ${totals.ok}`)
  assertThat(totals.error + totals.refused === 0, `${gateway.name}: ${totals.error} errors, ${totals.refused} refused`)
  const events = await eventsOf(operator, gateway.name)
  assertGood(gateway.name, events)
  const starts = events.filter(({ event }) => event === 'started').toReversed()

  const { ok: counted, interrupted } = totals
  const book: Book = { answered: application.answers.length, counted, interrupted, lost: 0, underWay: 0, lostMs: 0 }
  let placed = 0
  for (const [i, life] of lives.entries()) {
    const untilMs = lives[i + 1]?.startedMs ?? Number.POSITIVE_INFINITY
    const isIn = (ms: number) => ms >= life.startedMs && ms < untilMs
    const its = {
      windows: windows.filter(({ from }) => isIn(from)),
      answers: application.answers.filter(({ atMs }) => isIn(atMs)),
      failures: application.failures.filter(({ atMs, kind }) => kind === 'broken' && isIn(atMs)),
    }
    placed += its.windows.length
    const next = starts.find(({ at }) => Date.parse(at) >= life.endedMs)
    const isSaid = /killed/.test(String(next?.body.detail))
    const { lost, lostMs } = balanceLife(`${gateway.name}, life ${i}`, { ...its, isSaid })
    book.lost += lost
    book.underWay += its.failures.length
    book.lostMs = Math.max(book.lostMs, lostMs)
  }
  assertThat(placed === windows.length, `${gateway.name}: ${windows.length - placed} windows began in no life`)
  return book
}

/** `isSaid`: the next start told that the process before was killed. */
type LifeBook = { windows: WindowReport[]; answers: Answer[]; failures: Failure[]; isSaid: boolean }

function balanceLife(name: string, { windows, answers, failures, isSaid }: LifeBook) {
  const counted = windows.reduce((sum, { counts }) => sum + counts.ok, 0)
  const possible = answers.length + failures.length
  assertThat(counted <= possible, `${name}: ${counted} counted, ${answers.length} answered, ${failures.length} broken`)
  let lost = 0
  let lostMs = 0
  for (const version of new Set(answers.map((answer) => answer.version))) {
    const its = windows.filter((window) => window.version === version)
    const answered = answers.filter((answer) => answer.version === version)
    // what was answered before the device last wrote down what it had counted, is counted
    const writtenMs = Math.max(0, ...its.map(({ to }) => to))
    const certain = answered.filter(({ atMs }) => atMs < writtenMs).length
    const countedOfIt = its.reduce((sum, { counts }) => sum + counts.ok, 0)
    assertThat(
      countedOfIt >= certain,
      `${name}, version ${version}: ${countedOfIt} counted, ${certain} answered before`,
    )
    const missing = answered.length - countedOfIt
    if (missing <= 0) continue
    lost += missing
    lostMs = Math.max(lostMs, lengthMs(answered.slice(-missing)))
    assertThat(isSaid, `${name}, version ${version}: ${missing} missing, and the next start says nothing of a kill`)
  }
  assertThat(lostMs < lostMsAllowed, `${name}: answers of the last ${lostMs} ms are not counted`)
  return { lost, lostMs }
}

const lengthMs = (answers: readonly Answer[]): number =>
  answers.reduce((sum, { atMs }, i) => sum + Math.min(atMs - (answers[i - 1]?.atMs ?? atMs), pauseMsMax), 0)

/** Nothing was refused or lost, nothing failed but what was restarted too often in its probation. */
function assertGood(name: string, events: readonly StoredEvent[]): void {
  const bad = events.filter(({ event, body }) => {
    if (event === 'progress') return body.reason !== undefined && body.reason !== 'boot_loop'
    return event !== 'started'
  })
  assertThat(bad.length === 0, `${name} told of ${JSON.stringify(bad)}`)
}

function assertThat(holds: boolean, otherwise: string): void {
  if (!holds) throw new Error(otherwise)
}
