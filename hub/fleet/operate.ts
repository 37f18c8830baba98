// What an operator may want of devices by hand, and why it is refused where it would come to nothing.

import type { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { type Change, writeAuditedIfChanged } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { Problem } from '../problem.ts'
import { assertRollable } from '../promotion/guards.ts'
import { releasedVersion } from '../registry/store.ts'
import type { Reader } from '../storage/database.ts'
import {
  type DesiredRow,
  deploymentsMax,
  desiredOf,
  floorStatements,
  modelWanted,
  recordedWishes,
  type WishRole,
} from './desired.ts'
import type { DeviceRow } from './devices.ts'
import type { Fleet } from './fleet.ts'
import { notReleased } from './not-released.ts'

type Wanted = { model: string; version: number; sample?: number | undefined }
type Place = { deployment: string; role: WishRole }
/** Throws where who asks may not touch the model. */
type MayTouch = (model: string) => void

/** @throws Problem approval-revoked, stage-too-low, below-floor, nothing-to-shadow, too-many-deployments; what
 *  `mayTouch` does */
export async function wishByHand(
  { database, clock }: Pick<Hub, 'database' | 'clock'>,
  fleet: Pick<Fleet, 'push'>,
  device: DeviceRow,
  { deployment, role }: Place,
  wanted: Wanted,
  change: Change,
  mayTouch: MayTouch = () => undefined,
): Promise<void> {
  await database.exclusively(async (tx) => {
    await assertMayReplace(tx, device, { deployment, role }, mayTouch)
    const manifest = await releasedFor(tx, device, wanted)
    const present = await desiredOf(tx, device.id)
    const before = present.find((wish) => isAt(wish, { deployment, role }))?.manifest ?? null
    if (role === 'shadow') assertBeside(present, deployment, manifest)
    // What it once came to there, as the primary maybe, must not be taken for how it does as a shadow.
    const attempt =
      role === 'shadow' && before !== manifest ? await nextAttempt(tx, device.id, deployment, manifest) : {}
    if (before === null && present.length >= deploymentsMax) {
      const detail = `a device has at most ${deploymentsMax}`
      throw new Problem(409, 'too-many-deployments', 'Too many deployments', detail, { field: 'deployment' })
    }
    const recorded = {
      ...change,
      before: { deployment, role, manifest: before },
      after: { deployment, role, ...wanted, manifest },
    }
    const { sample } = wanted
    const place = { device: device.id, deployment, role, ...(sample === undefined ? {} : { sample }) }
    const wish = { ...place, manifest, ...attempt, by: change.actor }
    await tx.write(await recordedWishes(tx, [wish], clock(), recorded))
  })
  fleet.push([device.id])
}

async function nextAttempt(
  tx: Reader,
  device: string,
  deployment: string,
  manifest: Digest,
): Promise<{ attempt: number }> {
  const row = await tx.first(
    z.object({ attempt: z.number().int() }),
    'SELECT attempt FROM device_deployments WHERE device = ? AND deployment = ? AND manifest = ?',
    [device, deployment, manifest],
  )
  return { attempt: (row?.attempt ?? 0) + 1 }
}

/** @throws Problem nothing-to-shadow */
function assertBeside(present: readonly DesiredRow[], deployment: string, manifest: Digest): void {
  const primary = present.find((wish) => isAt(wish, { deployment, role: 'primary' }))
  if (primary !== undefined && primary.manifest !== manifest) return
  const detail =
    primary === undefined ? 'nothing is wanted in the deployment' : 'this version is what shall serve there'
  throw new Problem(409, 'nothing-to-shadow', 'A shadow runs beside another version', detail, { field: 'version' })
}

/** Nothing is to run in this role of the deployment any more. Without a primary its shadow is of no use, and goes too.
 *  @throws what `mayTouch` does */
export async function withdrawByHand(
  { database, clock }: Pick<Hub, 'database' | 'clock'>,
  fleet: Pick<Fleet, 'push'>,
  device: DeviceRow,
  { deployment, role }: Place,
  change: Change,
  mayTouch: MayTouch,
): Promise<void> {
  await database.exclusively(async (tx) => {
    const roles: WishRole[] = role === 'primary' ? ['primary', 'shadow'] : [role]
    for (const one of roles) await assertMayReplace(tx, device, { deployment, role: one }, mayTouch)
    const present = (await desiredOf(tx, device.id)).find((wish) => isAt(wish, { deployment, role }))
    const before = { deployment, role, manifest: present?.manifest ?? null }
    const recorded = { ...change, before, after: { deployment, role, manifest: null } }
    const wish = { device: device.id, deployment, manifest: null, by: change.actor }
    const wishes = roles.map((one) => ({ ...wish, role: one }))
    await tx.write(await recordedWishes(tx, wishes, clock(), recorded))
  })
  fleet.push([device.id])
}

const isAt = (wish: DesiredRow, { deployment, role }: Place) => wish.deployment === deployment && wish.role === role

/** What runs in a deployment is changed by those who may touch its model. */
async function assertMayReplace(
  tx: Reader,
  { id }: DeviceRow,
  { deployment, role }: Place,
  mayTouch: MayTouch,
): Promise<void> {
  const model = await modelWanted(tx, id, deployment, role)
  if (model !== undefined) mayTouch(model)
}

/** The bundle of the version for this device.
 *  @throws Problem approval-revoked, stage-too-low, below-floor; what `notReleased` says */
async function releasedFor(tx: Reader, { profile }: DeviceRow, { model, version }: Wanted): Promise<Digest> {
  await assertRollable(tx, model, version)
  const released = await releasedVersion(tx, model, version, profile)
  if (released === undefined) throw await notReleased(tx, { model, version }, [profile])
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

/** The oldest version that is not below the floor. */
export async function oldestAbove(reader: Reader, model: string, floor: number): Promise<number | undefined> {
  const row = await reader.first(
    z.object({ version: z.number().int().nullable() }),
    'SELECT min(version) AS version FROM manifests WHERE model = ? AND counter >= ?',
    [model, floor],
  )
  return row?.version ?? undefined
}

export async function floorOf(reader: Reader, model: string): Promise<number | undefined> {
  const row = await reader.first(
    z.object({ counter: z.number().int() }),
    'SELECT counter FROM counter_floors WHERE model = ?',
    [model],
  )
  return row?.counter
}
