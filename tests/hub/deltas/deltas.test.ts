// Patches at the hub: made once a pair, offered to the devices that can use them, read by nobody else, gone when unused.

import { createHash } from 'node:crypto'
import { utimes } from 'node:fs/promises'
import { applyPatch } from '@roost/shared/bundle/delta/apply.ts'
import type { Source } from '@roost/shared/bundle/delta/format.ts'
import type { Hello, Patch } from '@roost/shared/protocol/messages.ts'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { createDeltas } from '../../../hub/deltas/deltas.ts'
import { keptForMs, patchesTo } from '../../../hub/deltas/store.ts'
import { tensorPlaces } from '../../../hub/deltas/tensor-places.ts'
import type { Hub } from '../../../hub/hub.ts'
import { removeUnused } from '../../../hub/storage/unused-blobs.ts'
import { floats, integers, node, value } from '../../../scripts/demo/onnx-writer.ts'
import { aModel } from '../../builders/onnx.ts'
import { until } from '../fleet/a-broker.ts'
import { aFleet, aFleetHub, anEnrolledDevice, aRelease, aSpeakingDevice } from '../fleet/a-fleet.ts'

const side = 160
const dayMs = 86_400_000

/** `x` times a matrix whose numbers are `moved` by that share of themselves. */
function aMatrixModel({ moved = 0, name = 'g' } = {}): Uint8Array {
  let state = 1
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32 - 0.5
  }
  const weights = Array.from({ length: side * side }, random)
  const values = weights.map((weight) => weight * (1 + moved * random()))
  return aModel({
    name,
    node: [node('MatMul', ['x', 'weights'], ['y'])],
    initializer: [integers('shape', [2], [1n, -1n]), floats('weights', [side, side], values)],
    input: [value('x', 'float', ['N', side])],
    output: [value('y', 'float', ['N', side])],
  })
}

/** Bytes that have nothing to do with each other. */
const noise = (name: string): Buffer =>
  Buffer.concat(Array.from({ length: 4_000 }, (_, i) => createHash('sha256').update(`${name} ${i}`).digest()))

const sourceOf = (bytes: Uint8Array): Source => ({
  sizeBytes: bytes.length,
  read: async (offset, length) => bytes.subarray(offset, offset + length),
})

describe('the tensors of an ONNX file', () => {
  test('are found with name, type and shape, wherever they lie', async () => {
    const model = aMatrixModel({ name: 'a graph with a longer name' })
    const places = await tensorPlaces(sourceOf(model))
    expect(places.map(({ key }) => JSON.parse(key))).toEqual([
      ['shape', 7, [2]],
      ['weights', 1, [side, side]],
    ])
    const weights = places[1]
    expect((weights?.end ?? 0) - (weights?.start ?? 0)).toBe(4 * side * side)
    const first = Buffer.from(model).readFloatLE(weights?.start ?? 0)
    expect(first).toBeCloseTo(((1_664_525 + 1_013_904_223) >>> 0) / 2 ** 32 - 0.5, 5)
  })

  test('are none where the file is no ONNX, or ends in one', async () => {
    expect(await tensorPlaces(sourceOf(Buffer.from('no protobuf at all, not one byte of it')))).toEqual([])
    const model = aMatrixModel()
    expect(await tensorPlaces(sourceOf(model.subarray(0, model.length - 5)))).toEqual([])
  })
})

const Row = z.object({
  base: z.string(),
  target: z.string(),
  patch: z.string().nullable(),
  reason: z.string().nullable(),
})
const rows = (hub: Hub) => hub.database.all(Row, 'SELECT base, target, patch, reason FROM deltas')

const slotOf = (hub: Hub, manifest: string): Promise<Hello['slots']> =>
  hub.database
    .first(z.object({ version: z.number() }), 'SELECT version FROM manifests WHERE digest = ?', [manifest])
    .then((row) => [
      { deployment: 'main', manifest, model: 'pump', version: row?.version ?? 0, attempt: 1, state: 'succeeded' },
    ])

/** What the patch makes of the base, by the hub's own blobs. */
async function made(hub: Hub, { from, to, blob }: Patch, sizeBytes: number): Promise<Buffer> {
  const blobSource = async (sha256: string): Promise<Source> => ({
    sizeBytes: await hub.blobs.sizeBytes(sha256),
    read: (offset, length) => hub.blobs.read(sha256, offset, length),
  })
  const target = { sha256: to, sizeBytes }
  const pieces = applyPatch(await blobSource(blob), await blobSource(from), { base: from, target })
  return Buffer.concat(await Array.fromAsync(pieces))
}

async function aPump() {
  const hub = await aFleetHub()
  const [before, after] = [aMatrixModel(), aMatrixModel({ moved: 0.001, name: 'trained further' })]
  const [first, second] = [await aRelease(hub, 'pump', before), await aRelease(hub, 'pump', after)]
  const fleet = await aFleet(hub)
  /** A device that runs the first version and is to run the second. */
  const aDevice = async (name: string) => {
    const device = await aSpeakingDevice(fleet, await anEnrolledDevice(hub, name))
    await fleet.desire([{ device: name, deployment: 'main', manifest: second.manifest, by: 'test' }])
    await device.hello({ slots: await slotOf(hub, first.manifest) })
    await until(() => device.assigns.length >= 1)
    return device
  }
  return { hub, fleet, first, second, after, aDevice }
}

describe('a device that is to run a version trained further', () => {
  test('is told at once what it shall run, and again when the patch is there; the next one is offered it at once', async () => {
    const { hub, fleet, first, second, after, aDevice } = await aPump()
    const device = await aDevice('d-1')
    expect(device.assigns[0]?.patches).toBeUndefined()
    await until(() => device.assigns.length === 2)
    const [patch] = device.assigns[1]?.patches ?? []
    if (patch === undefined) throw new Error('no patch was offered')
    expect(patch).toMatchObject({ from: first.blob, to: second.blob })
    expect(patch.sizeBytes).toBeLessThan(0.6 * after.length)
    expect(Buffer.compare(await made(hub, patch, after.length), after)).toBe(0)
    const next = await aDevice('d-2')
    expect(next.assigns[0]?.patches).toEqual([patch])
    expect(await rows(hub)).toHaveLength(1)
    const known = { variant: 'fp32', from: first.version, fromVariant: 'fp32', sizeBytes: patch.sizeBytes }
    expect(await patchesTo(hub.database, 'pump', second.version)).toEqual([{ ...known, wholeBytes: after.length }])
    expect(await patchesTo(hub.database, 'pump', first.version)).toEqual([])
    await fleet.patchesMade()
  })

  test('may read the patch, over MQTT as over HTTP; a device that is not to run it may not', async () => {
    const { hub, fleet, aDevice } = await aPump()
    await aDevice('d-1')
    await fleet.patchesMade()
    const [row] = await rows(hub)
    const patch = row?.patch ?? ''
    await anEnrolledDevice(hub, 'd-other')
    expect(await hub.mayReadBlob('d-1', patch)).toBe(true)
    expect(await hub.mayReadBlob('d-other', patch)).toBe(false)
    await fleet.desire([{ device: 'd-1', deployment: 'main', manifest: null, by: 'test' }])
    expect(await hub.mayReadBlob('d-1', patch)).toBe(false)
  })

  test('is one of a hundred that ask at the same moment: the patch is made once, and all are told', async () => {
    const { hub, first, second } = await aPump()
    const told: string[] = []
    const deltas = createDeltas(hub, (devices) => told.push(...devices))
    const step = { from: first.manifest, to: second.manifest }
    const names = Array.from({ length: 100 }, (_, i) => `d-${i}`)
    const offers = await Promise.all(names.map((name) => deltas.offer(name, [step])))
    expect(offers.flat()).toEqual([])
    await deltas.settled()
    expect(await rows(hub)).toHaveLength(1)
    expect(told.toSorted()).toEqual(names.toSorted())
    expect(await deltas.offer('d-0', [step, step])).toHaveLength(1)
    await deltas.close()
  })

  test('is offered the patch by the next hub too; a making that was interrupted begins anew', async () => {
    const { hub, first, second } = await aPump()
    const step = { from: first.manifest, to: second.manifest }
    const stopped = createDeltas(hub, () => undefined)
    await stopped.offer('d-1', [step])
    await stopped.close()
    expect(await rows(hub)).toEqual([])
    const next = createDeltas(hub, () => undefined)
    expect(await next.offer('d-1', [step])).toEqual([])
    await next.settled()
    await next.close()
    const last = createDeltas(hub, () => undefined)
    expect(await last.offer('d-1', [step])).toHaveLength(1)
    await last.close()
  })
})

describe('no patch is offered', () => {
  test('where it would save next to nothing: that is found out once', async () => {
    const hub = await aFleetHub()
    const [first, second] = [await aRelease(hub, 'pump', noise('one')), await aRelease(hub, 'pump', noise('another'))]
    const deltas = createDeltas(hub, () => expect.fail('nobody is to be told'))
    const step = { from: first.manifest, to: second.manifest }
    await deltas.offer('d-1', [step])
    await deltas.settled()
    expect(await deltas.offer('d-1', [step])).toEqual([])
    await deltas.settled()
    expect(await rows(hub)).toEqual([{ base: first.blob, target: second.blob, patch: null, reason: 'not worth it' }])
    await deltas.close()
  })

  test('where a file is gone: the reason is kept, and the file goes whole', async () => {
    const { hub, first, second } = await aPump()
    const deltas = createDeltas(hub, () => undefined)
    hub.blobs.removeOld(first.blob, Number.POSITIVE_INFINITY)
    await deltas.offer('d-1', [{ from: first.manifest, to: second.manifest }])
    await deltas.settled()
    expect(await rows(hub)).toMatchObject([{ patch: null, reason: expect.stringMatching(/ENOENT/) }])
    await deltas.close()
  })

  test('where the file goes in one chunk anyway', async () => {
    const hub = await aFleetHub()
    const [first, second] = [
      await aRelease(hub, 'pump', Buffer.alloc(60_000, 'a')),
      await aRelease(hub, 'pump', Buffer.alloc(60_000, 'b')),
    ]
    const deltas = createDeltas(hub, () => undefined)
    await deltas.offer('d-1', [{ from: first.manifest, to: second.manifest }])
    await deltas.settled()
    expect(await rows(hub)).toEqual([])
    await deltas.close()
  })
})

test('the blob of a patch stays while it is offered, and goes when nobody was offered it for a month', async () => {
  const { hub, first, second } = await aPump()
  const step = { from: first.manifest, to: second.manifest }
  const deltas = createDeltas(hub, () => undefined)
  await deltas.offer('d-1', [step])
  await deltas.settled()
  const [patch] = await deltas.offer('d-1', [step])
  await deltas.close()
  const blob = patch?.blob ?? ''
  const longAgo = new Date(hub.clock() - 2 * dayMs)
  await utimes(hub.blobs.pathOf(blob), longAgo, longAgo)
  await removeUnused(hub, dayMs)
  expect(await hub.blobs.has(blob)).toBe(true)
  const later = { ...hub, clock: () => hub.clock() + keptForMs + dayMs }
  const then = createDeltas(later, () => undefined)
  const third = await aRelease(hub, 'pump', aMatrixModel({ moved: 0.002 }))
  await then.offer('d-1', [{ from: first.manifest, to: third.manifest }])
  await then.settled()
  await then.close()
  await removeUnused(hub, dayMs)
  expect(await hub.blobs.has(blob)).toBe(false)
})

test('the steps of a rollout are those of its devices', async () => {
  const { hub, first, second } = await aPump()
  await hub.database.write([
    {
      sql: `INSERT INTO rollouts (id, deployment, model, version, group_name, query, plan, state, reason, created_at, changed_at, created_by)
            VALUES ('r-1', 'main', 'pump', 2, 'all', '', '{}', 'running', '', 0, 0, 'test')`,
      args: [],
    },
    {
      sql: `INSERT INTO rollout_devices (rollout, device, deployment, stage, stratum, rank, target, previous, state)
            VALUES ('r-1', 'd-1', 'main', 0, '', 0, ?, ?, 'planned')`,
      args: [second.manifest, first.manifest],
    },
  ])
  const deltas = createDeltas(hub, () => undefined)
  await deltas.prepare('r-1')
  await deltas.settled()
  expect(await rows(hub)).toMatchObject([{ base: first.blob, target: second.blob, reason: null }])
  await deltas.close()
})
