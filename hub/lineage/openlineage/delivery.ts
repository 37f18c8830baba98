// Events to a receiver, at least once and in their order: how far it has got is in the database, so that a restart goes
// on there. What is not taken for the time being waits; what never will be is told to the log and passed.

import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Counter, Gauge, type Registry } from 'prom-client'
import { z } from 'zod'
import type { Hub } from '../../hub.ts'
import { readEvents } from './event-log.ts'
import { runEvent, type Teller } from './run-event.ts'

/** `token`: sent as `Authorization: Bearer`, written down nowhere. */
export type Receiver = { url: string; token: string | undefined }
export type Pace = {
  /** Between looks for new events. */
  pollMs: number
  /** Before the second try; doubles up to `retryMsMax`. */
  retryMs: number
  retryMsMax: number
  /** For one answer. */
  timeoutMs: number
}
export const usualPace: Pace = { pollMs: 2_000, retryMs: 1_000, retryMsMax: 300_000, timeoutMs: 10_000 }

/** Events read at once, and told before the position is written: as many may come twice after a kill. */
const eventsAtOnce = 50

/** The receiver says that it will never take such an event: it is passed. All others (a wrong token or address, too many
 *  requests, a failure over there) may be put right, and wait. */
const refusals: ReadonlySet<number> = new Set([400, 413, 415, 422])

/** Tells the receiver every event, from the first this hub has, until the hub stops. */
export async function deliverForever(
  hub: Pick<Hub, 'database' | 'clock' | 'log' | 'random' | 'metrics' | 'stopping'>,
  receiver: Receiver,
  teller: Teller,
  pace: Pace = usualPace,
): Promise<void> {
  const { database, clock, log, stopping } = hub
  const key = createHash('sha256').update(receiver.url).digest('hex')
  const { origin } = new URL(receiver.url)
  const metrics = deliveryMetrics(hub.metrics)
  let waitMs = 0
  while (!stopping.aborted) {
    try {
      const position = await readPosition(database, key)
      const { events, last } = await readEvents(database, position, eventsAtOnce, () => true)
      let reached = position
      try {
        for (const facts of events) {
          const answer = await tell(receiver, runEvent(facts, teller), pace.timeoutMs, stopping)
          metrics.told.inc({ outcome: answer.taken ? 'taken' : 'refused' })
          if (!answer.taken) {
            log.warn({ receiver: origin, seq: facts.seq, status: answer.status }, 'OpenLineage event refused, passed')
          }
          reached = facts.seq
        }
        reached = last
        waitMs = 0
      } finally {
        if (reached > position) await writePosition(database, key, reached, clock())
      }
      metrics.position.set(reached)
      if (last === position) await sleep(pace.pollMs, stopping)
    } catch (error) {
      if (stopping.aborted) return
      metrics.told.inc({ outcome: 'failed' })
      waitMs = Math.min(pace.retryMsMax, waitMs === 0 ? pace.retryMs : 2 * waitMs)
      log.warn({ receiver: origin, reason: reasonOf(error), waitMs }, 'OpenLineage events not taken; trying again')
      await sleep(jittered(waitMs, hub.random), stopping)
    }
  }
}

type Answer = { taken: true } | { taken: false; status: number }

/** @throws Error where it may be taken later */
async function tell(
  { url, token }: Receiver,
  event: unknown,
  timeoutMs: number,
  stopping: AbortSignal,
): Promise<Answer> {
  const response = await fetch(url, {
    method: 'POST',
    // a redirect would carry the token elsewhere
    redirect: 'error',
    headers: {
      'content-type': 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(event),
    signal: AbortSignal.any([AbortSignal.timeout(timeoutMs), stopping]),
  })
  // what it says is of no use here, and may be long
  await response.body?.cancel()
  if (response.ok) return { taken: true }
  if (refusals.has(response.status)) return { taken: false, status: response.status }
  throw new Error(`it answered ${response.status}`)
}

/** Without the address and headers that errors of fetch may carry: the reason is all there is to know. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const cause = z.object({ code: z.string() }).safeParse(error.cause)
  return cause.success ? cause.data.code : error.message.slice(0, 200)
}

/** Between half of `ms` and `ms`: hubs that lost the same receiver do not come back at once. */
function jittered(ms: number, random: Hub['random']): number {
  const [byte = 0] = random(1)
  return ms / 2 + (ms / 2) * (byte / 255)
}

const sleep = (ms: number, stopping: AbortSignal): Promise<void> =>
  delay(ms, undefined, { signal: stopping, ref: false }).catch((error: unknown) => {
    if (!stopping.aborted) throw error
  })

async function readPosition(database: Hub['database'], receiver: string): Promise<number> {
  const row = await database.first(
    z.object({ seq: z.number() }),
    'SELECT seq FROM lineage_receivers WHERE receiver = ?',
    [receiver],
  )
  return row?.seq ?? 0
}

async function writePosition(database: Hub['database'], receiver: string, seq: number, nowMs: number): Promise<void> {
  await database.write([
    {
      sql: `INSERT INTO lineage_receivers (receiver, seq, changed_at) VALUES (?, ?, ?)
            ON CONFLICT DO UPDATE SET seq = excluded.seq, changed_at = excluded.changed_at`,
      args: [receiver, seq, Math.round(nowMs)],
    },
  ])
}

function deliveryMetrics(registry: Registry) {
  return {
    told: new Counter({
      name: 'roost_openlineage_events_total',
      help: 'OpenLineage events told to the receiver',
      labelNames: ['outcome'],
      registers: [registry],
    }),
    position: new Gauge({
      name: 'roost_openlineage_position',
      help: 'The last event the receiver has taken, of those in lineage_events',
      registers: [registry],
    }),
  }
}
