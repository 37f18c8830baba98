// The last act: everybody's books against each other, to the unit. Applications and agents stop; the agents start again
// without readings, so that what was still waiting on their disks gets to the hub; then what the hub has counted is held
// against the recording itself and against the answers that the applications got.

import { readStatus } from './agent-process.ts'
import type { ApplicationCounts } from './application.ts'
import { type Fleet, placeOf, startAgents, stopAgents, untilConnected } from './fleet.ts'
import { type Gateway, gateways } from './gateways.ts'
import { count } from './narration.ts'
import { expectedLabels, type LabelCounts } from './recount.ts'
import type { Scene } from './story.ts'
import { DemoError, until } from './waiting.ts'
import { type Counts, countsOf } from './watching.ts'

const shippedMsMax = 30_000

/** @throws DemoError where one inference is missing, counted twice, or answered otherwise than its version answers */
export async function countOnce(scene: Scene, fleet: Fleet): Promise<void> {
  const { narration, operator } = scene
  const asked = await stopApplications(fleet)
  await stopAgents(fleet)
  narration.say('The applications and then the agents have stopped, all with code 0; what is not sent yet is on disk.')
  await startAgents(scene, fleet, { withReadings: false })
  await untilConnected(scene)
  await untilShipped(scene, fleet)
  narration.say('Started again with silent sensors, they have sent the rest. Against each other, to the unit:')

  const books = await Promise.all(
    gateways.map(async (gateway): Promise<Book> => {
      const hub = await countsOf(operator, 'devices', gateway.name)
      return { gateway, hub, asked: asked.get(gateway.name) }
    }),
  )
  for (const book of books) assertRight(scene, book)
  narration.table(
    ['gateway', 'inferences at the hub', 'v1', 'v2', 'v3', 'of them asked', 'labels as recomputed'],
    [...books.map(rowOf), ['all', count(books.reduce((sum, { hub }) => sum + hub.totals.ok, 0))]],
  )
}

type Book = { gateway: Gateway; hub: Counts; asked: ApplicationCounts | undefined }

async function stopApplications(fleet: Fleet): Promise<Map<string, ApplicationCounts>> {
  const counts = [...fleet.asking].map(async ([gateway, { application }]): Promise<[string, ApplicationCounts]> => {
    const counts = await application.stop()
    if (counts.failed > 0) {
      throw new DemoError(`${counts.failed} requests at ${gateway} failed, the first: ${counts.firstFailure}`, gateway)
    }
    return [gateway, counts]
  })
  return new Map(await Promise.all(counts))
}

async function untilShipped({ signal }: Scene, fleet: Fleet): Promise<void> {
  for (const { name } of gateways) {
    const wait = { what: `${name} has sent all it had`, timeoutMs: shippedMsMax, signal, logOf: name }
    await until(wait, async () => {
      const status = await readStatus(placeOf(fleet, name).folder)
      return status !== undefined && status.outbox.head === status.outbox.tail ? true : undefined
    })
  }
}

function assertRight(scene: Scene, { gateway, hub, asked }: Book): void {
  const { name } = gateway
  const { error, refused } = hub.totals
  if (error + refused > 0) throw new DemoError(`${name} has counted ${error} errors and ${refused} refusals`, name)
  const replayed = [1, 2, 3].map((version) => countedBy(hub, version) - askedOf(asked, version))
  const labels = labelsOf(hub)
  const expected = expectedLabels(scene, gateway, replayed)
  if (JSON.stringify(labels) !== JSON.stringify(expected)) {
    throw new DemoError(`${name}: the hub has ${JSON.stringify(labels)}, right is ${JSON.stringify(expected)}`, name)
  }
}

const countedBy = ({ versions }: Counts, version: number): number =>
  versions.find((row) => row.version === version)?.ok ?? 0

const askedOf = (asked: ApplicationCounts | undefined, version: number): number =>
  asked?.byVersion.get(String(version)) ?? 0

const labelsOf = ({ totals }: Counts): LabelCounts => {
  const { truePositive, falsePositive, trueNegative, falseNegative } = totals
  return { truePositive, falsePositive, trueNegative, falseNegative }
}

function rowOf({ gateway, hub, asked }: Book) {
  const { truePositive, falsePositive, trueNegative, falseNegative } = hub.totals
  return [
    gateway.name,
    count(hub.totals.ok),
    ...[1, 2, 3].map((version) => count(countedBy(hub, version))),
    count(asked?.answered ?? 0),
    count(truePositive + falsePositive + trueNegative + falseNegative),
  ]
}
