// The last act: three books against each other, to the unit. The agents know how many readings they replayed, the
// applications which version gave them which answers, the hub what it has counted; and the recording tells what the
// labels of exactly these readings must be.

import { isDeepStrictEqual } from 'node:util'
import { readStatus, type Status } from '../../agent/control/status.ts'
import { startAgent } from './agent-process.ts'
import { type Fleet, placeOf, stopAgents } from './fleet.ts'
import { type Gateway, gateways } from './gateways.ts'
import { type Cell, count, listed } from './narration.ts'
import { expectedLabels, type LabelCounts } from './recount.ts'
import type { Scene } from './story.ts'
import { model } from './versions.ts'
import { DemoError, until } from './waiting.ts'
import { type Counts, countsOf } from './watching.ts'

const shippedMsMax = 60_000
const versions = [1, 2, 3] as const

/** @throws DemoError where one inference is missing, counted twice, or answered otherwise than its version answers */
export async function countOnce(scene: Scene, fleet: Fleet): Promise<void> {
  const { narration, operator } = scene
  await Promise.all([...fleet.asking.values()].map(({ application }) => application.stop()))
  await stopAgents(fleet)
  const stopped = await Promise.all(gateways.map(({ name }) => statusOf(fleet, name)))
  const late = stopped.filter(({ outbox }) => outbox.tail < outbox.head).map(({ device }) => device)
  for (const name of late) await sendRest(scene, fleet, name)
  const sent =
    late.length === 0
      ? 'the hub has confirmed every record they made'
      : `${listed(late)} had more to send than a stop waits for, and started once more to send it`
  narration.say(`The applications have stopped, then the agents, all with code 0; ${sent}. Who has counted what:`)

  const books = await Promise.all(
    gateways.map(async (gateway, i): Promise<Book> => {
      const hub = await countsOf(operator, 'devices', gateway.name)
      const answers = fleet.asking.get(gateway.name)?.application.counts().byVersion
      return { gateway, replayed: stopped[i]?.replayed[model] ?? 0, answers: answers ?? new Map(), hub }
    }),
  )
  narration.table(
    ['gateway', 'readings replayed', 'requests answered', 'counted by the hub', 'v1', 'v2', 'v3', 'difference'],
    [...books.map((book) => [book.gateway.name, ...figuresOf(book)]), ['all', ...sumsOf(books.map(figuresOf))]],
  )
  for (const book of books) assertRight(scene, book)
  const sum = (kind: keyof LabelCounts) => count(books.reduce((total, { hub }) => total + hub.totals[kind], 0))
  narration.say(
    `The labels agree as well: run over exactly these readings once more, here, the versions find ${sum('truePositive')} readings of events, miss ${sum('falseNegative')}, and raise ${sum('falsePositive')} false alarms, as the hub has it.`,
  )
}

/** What the three say about one gateway. */
type Book = { gateway: Gateway; replayed: number; answers: ReadonlyMap<string, number>; hub: Counts }

/** An agent whose reports the hub could not confirm in the moment that a stop waits: it starts again, without readings. */
async function sendRest({ crew, signal }: Scene, fleet: Fleet, name: string): Promise<void> {
  const { member } = await startAgent(crew, placeOf(fleet, name), undefined, signal)
  const wait = { what: `${name} has sent what it had`, timeoutMs: shippedMsMax, signal, logOf: name }
  await until(wait, async () => {
    const { outbox } = await statusOf(fleet, name)
    return outbox.tail < outbox.head ? undefined : true
  })
  await member.stop()
}

async function statusOf(fleet: Fleet, name: string): Promise<Status> {
  const status = await readStatus(placeOf(fleet, name).folder)
  if (status === undefined) throw new DemoError(`${name} has left no status`, name)
  return status
}

/** Replayed, answered, counted, by version, difference. */
function figuresOf({ replayed, answers, hub }: Book): number[] {
  const answered = [...answers.values()].reduce((sum, times) => sum + times, 0)
  const { ok } = hub.totals
  return [replayed, answered, ok, ...versions.map((version) => countedBy(hub, version)), ok - replayed - answered]
}

const sumsOf = (rows: readonly (readonly number[])[]): Cell[] =>
  (rows[0] ?? []).map((_, column) => rows.reduce((sum, row) => sum + (row[column] ?? 0), 0))

const countedBy = ({ versions }: Counts, version: number): number =>
  versions.find((row) => row.version === version)?.ok ?? 0

function assertRight(scene: Scene, book: Book): void {
  const { gateway, answers, hub } = book
  const { name } = gateway
  const { error, refused, truePositive, falsePositive, trueNegative, falseNegative } = hub.totals
  if (error + refused > 0) throw new DemoError(`${name} has counted ${error} errors and ${refused} refusals`, name)
  const difference = figuresOf(book).at(-1)
  if (difference !== 0) throw new DemoError(`the counts of ${name} differ by ${difference}`, name)
  const readings = versions.map((version) => countedBy(hub, version) - (answers.get(String(version)) ?? 0))
  const expected = expectedLabels(scene, gateway, readings)
  const labels: LabelCounts = { truePositive, falsePositive, trueNegative, falseNegative }
  if (!isDeepStrictEqual(labels, expected)) {
    throw new DemoError(`${name}: the hub has ${JSON.stringify(labels)}, right is ${JSON.stringify(expected)}`, name)
  }
}
