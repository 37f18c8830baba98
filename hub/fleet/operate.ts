// What an operator may want of devices by hand, and why it is refused where it would come to nothing.

import { z } from 'zod'
import { type Change, writeAuditedIfChanged } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { assertRollable } from '../promotion/guards.ts'
import { releasedVersion } from '../registry/store.ts'
import type { Reader } from '../storage/database.ts'
import { deploymentsMax, desiredOf, floorStatements } from './desired.ts'
import type { DeviceRow } from './devices.ts'
import type { Fleet } from './fleet.ts'

/** @throws Problem approval-revoked, stage-too-low, not-released, below-floor, too-many-deployments */
export async function wishByHand(
  hub: Pick<Hub, 'database'>,
  fleet: Pick<Fleet, 'desire'>,
  device: DeviceRow,
  deployment: string,
  { model, version }: { model: string; version: number },
  change: Change,
): Promise<void> {
  const { database } = hub
  await assertRollable(database, model, version)
  const released = await releasedVersion(database, model, version, device.profile)
  if (released === undefined) {
    const detail = `${model} ${version} does not exist, awaits its signature, or has no variant for ${device.profile}`
    throw new Problem(409, 'not-released', 'No signed version for this device', detail, { field: 'version' })
  }
  const floor = await floorOf(database, model)
  if (floor !== undefined && released.manifest.counter < floor) {
    const detail = `the counter of ${model} ${version} is ${released.manifest.counter}, the floor ${floor}`
    throw new Problem(409, 'below-floor', 'The version is below the floor of its model', detail, { field: 'version' })
  }
  const present = await desiredOf(database, device.id)
  if (present.length >= deploymentsMax && !present.some((wish) => wish.deployment === deployment)) {
    const detail = `a device has at most ${deploymentsMax}`
    throw new Problem(409, 'too-many-deployments', 'Too many deployments', detail, { field: 'deployment' })
  }
  const before = present.find((wish) => wish.deployment === deployment)?.manifest
  const after = { deployment, model, version, manifest: released.digest }
  await fleet.desire([{ device: device.id, deployment, manifest: released.digest, by: change.actor }], {
    ...change,
    before: { deployment, manifest: before ?? null },
    after,
  })
}

/** @returns the counter of the floor now
 *  @throws Problem not-found, floor-falls */
export async function raiseFloor(
  hub: Pick<Hub, 'database' | 'clock'>,
  fleet: Pick<Fleet, 'push'>,
  model: string,
  version: number,
  change: Change,
): Promise<number> {
  const { database, clock } = hub
  const counter = await counterOf(database, model, version)
  const floor = await floorOf(database, model)
  if (floor !== undefined && counter < floor) {
    const detail = `the floor is ${floor}; the counter of ${model} ${version} is ${counter}`
    throw new Problem(409, 'floor-falls', 'A floor only rises', detail, { field: 'version' })
  }
  await writeAuditedIfChanged(
    database,
    clock(),
    { ...change, before: { counter: floor ?? null }, after: { counter, version } },
    floorStatements(model, counter, change.actor, clock()),
  )
  const concerned = await database.all(
    z.object({ device: z.string() }),
    'SELECT DISTINCT d.device FROM desired d JOIN manifests m ON m.digest = d.manifest WHERE m.model = ?',
    [model],
  )
  fleet.push(concerned.map(({ device }) => device))
  return counter
}

async function counterOf(reader: Reader, model: string, version: number): Promise<number> {
  const row = await reader.first(
    z.object({ counter: z.number().int().nullable() }),
    'SELECT min(counter) AS counter FROM manifests WHERE model = ? AND version = ?',
    [model, version],
  )
  if (row?.counter != null) return row.counter
  throw new Problem(404, 'not-found', 'Not found', `there is no version ${version} of ${model}`, { field: 'version' })
}

async function floorOf(reader: Reader, model: string): Promise<number | undefined> {
  const row = await reader.first(
    z.object({ counter: z.number().int() }),
    'SELECT counter FROM counter_floors WHERE model = ?',
    [model],
  )
  return row?.counter
}
