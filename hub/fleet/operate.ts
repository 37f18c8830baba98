// What an operator may want of devices by hand, and why it is refused where it would come to nothing.

import type { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { type Change, writeAuditedIfChanged } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { assertRollable } from '../promotion/guards.ts'
import { releasedVersion } from '../registry/store.ts'
import type { Reader } from '../storage/database.ts'
import { type DesiredRow, deploymentsMax, desiredOf, floorStatements, modelWanted, recordedWishes } from './desired.ts'
import type { DeviceRow } from './devices.ts'
import type { Fleet } from './fleet.ts'

type Wanted = { model: string; version: number }
/** Throws where who asks may not touch the model. */
type MayTouch = (model: string) => void

/** @throws Problem approval-revoked, stage-too-low, not-released, below-floor, too-many-deployments; what `mayTouch` does */
export async function wishByHand(
  { database, clock }: Pick<Hub, 'database' | 'clock'>,
  fleet: Pick<Fleet, 'push'>,
  device: DeviceRow,
  deployment: string,
  wanted: Wanted,
  change: Change,
  mayTouch: MayTouch = () => undefined,
): Promise<void> {
  await database.exclusively(async (tx) => {
    await assertMayReplace(tx, device, deployment, mayTouch)
    const manifest = await releasedFor(tx, device, wanted)
    const present = await desiredOf(tx, device.id)
    const before = present.find((wish) => isServing(wish, deployment))?.manifest ?? null
    if (before === null && present.length >= deploymentsMax) {
      const detail = `a device has at most ${deploymentsMax}`
      throw new Problem(409, 'too-many-deployments', 'Too many deployments', detail, { field: 'deployment' })
    }
    const recorded = {
      ...change,
      before: { deployment, manifest: before },
      after: { deployment, ...wanted, manifest },
    }
    const wish = { device: device.id, deployment, manifest, by: change.actor }
    await tx.write(await recordedWishes(tx, [wish], clock(), recorded))
  })
  fleet.push([device.id])
}

/** Nothing is to run in the deployment any more.
 *  @throws what `mayTouch` does */
export async function withdrawByHand(
  { database, clock }: Pick<Hub, 'database' | 'clock'>,
  fleet: Pick<Fleet, 'push'>,
  device: DeviceRow,
  deployment: string,
  change: Change,
  mayTouch: MayTouch,
): Promise<void> {
  await database.exclusively(async (tx) => {
    await assertMayReplace(tx, device, deployment, mayTouch)
    const present = (await desiredOf(tx, device.id)).find((wish) => isServing(wish, deployment))
    const before = { deployment, manifest: present?.manifest ?? null }
    const recorded = { ...change, before, after: { deployment, manifest: null } }
    const wish = { device: device.id, deployment, manifest: null, by: change.actor }
    await tx.write(await recordedWishes(tx, [wish], clock(), recorded))
  })
  fleet.push([device.id])
}

const isServing = (wish: DesiredRow, deployment: string) => wish.deployment === deployment && wish.role === 'primary'

/** What runs in a deployment is changed by those who may touch its model. */
async function assertMayReplace(tx: Reader, { id }: DeviceRow, deployment: string, mayTouch: MayTouch): Promise<void> {
  const model = await modelWanted(tx, id, deployment)
  if (model !== undefined) mayTouch(model)
}

/** The bundle of the version for this device.
 *  @throws Problem approval-revoked, stage-too-low, not-released, below-floor */
async function releasedFor(tx: Reader, { profile }: DeviceRow, { model, version }: Wanted): Promise<Digest> {
  await assertRollable(tx, model, version)
  const released = await releasedVersion(tx, model, version, profile)
  if (released === undefined) {
    const detail = `${model} ${version} does not exist, awaits its signature, or has no variant for ${profile}`
    throw new Problem(409, 'not-released', 'No signed version for this device', detail, { field: 'version' })
  }
  const floor = await floorOf(tx, model)
  if (floor !== undefined && released.manifest.counter < floor) {
    const detail = `the counter of ${model} ${version} is ${released.manifest.counter}, the floor ${floor}`
    throw new Problem(409, 'below-floor', 'The version is below the floor of its model', detail, { field: 'version' })
  }
  return released.digest
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
