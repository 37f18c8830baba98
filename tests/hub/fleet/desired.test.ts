// The wish and its generation: every change raises it, the same generation always means the same.

import { contentDigest } from '@roost/shared/trust/assignment.ts'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  deploymentsMax,
  desiredOf,
  floorStatements,
  mayReadBlob,
  retryWish,
  storeWishes,
  type Wish,
  wholeWish,
} from '../../../hub/fleet/desired.ts'
import { revokeDevice } from '../../../hub/fleet/devices.ts'
import { progressStatements } from '../../../hub/fleet/progress.ts'
import { aFleetHub, anEnrolledDevice, aRelease } from './a-fleet.ts'

const digests = ['a', 'b', 'c'].map((letter) => letter.repeat(64))
const by = 'test'

describe('a wish', () => {
  test('of any sequence ends as the last word said, and a generation never means two things', async () => {
    const hub = await aFleetHub()
    const devices = ['d-1', 'd-2', 'd-3']
    for (const device of devices) await anEnrolledDevice(hub, device)
    const wish = fc.record(
      {
        device: fc.constantFrom(...devices),
        deployment: fc.constantFrom('one', 'two'),
        role: fc.constantFrom('primary' as const, 'shadow' as const),
        sample: fc.constantFrom(0.1, 1),
        manifest: fc.option(fc.constantFrom(...digests)),
        attempt: fc.integer({ min: 1, max: 3 }),
        by: fc.constant(by),
      },
      { requiredKeys: ['device', 'deployment', 'manifest', 'by'] },
    )
    const placeOf = ({ device, deployment, role = 'primary' }: Wish) => `${device}/${deployment}/${role}`
    const batch = fc.uniqueArray(wish, { minLength: 1, maxLength: 4, selector: placeOf })
    const said = new Map<string, string>()
    const model = new Map<string, { manifest: string; attempt: number; role?: 'shadow'; sample?: number }>()
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { maxLength: 6 }), async (batches) => {
        for (const wishes of batches) {
          const before = new Map(
            await Promise.all(devices.map(async (d) => [d, await wholeWish(hub.database, d)] as const)),
          )
          const raised = await storeWishes(hub.database, wishes, 1)
          for (const wished of wishes) {
            const { manifest, attempt, role, sample } = wished
            const key = placeOf(wished)
            const present = model.get(key)
            if (manifest === null) model.delete(key)
            else
              model.set(key, {
                manifest,
                attempt: attempt ?? (present?.manifest === manifest ? present.attempt : 1),
                ...(role === 'shadow' ? { role, ...(sample === undefined ? {} : { sample }) } : {}),
              })
          }
          let changedDevices = 0
          for (const device of devices) {
            const whole = await wholeWish(hub.database, device)
            if (whole === undefined) throw new Error('gone')
            const expected = [...model]
              .filter(([key]) => key.startsWith(`${device}/`))
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([key, value]) => ({ deployment: key.split('/')[1], ...value }))
            expect(whole.deployments).toEqual(expected)
            const content = contentDigest(whole)
            const key = `${device} ${whole.generation}`
            expect(said.get(key) ?? content).toBe(content)
            said.set(key, content)
            const old = before.get(device)
            const changed = old !== undefined && contentDigest(old) !== content
            expect(whole.generation).toBe((old?.generation ?? 0) + (changed ? 1 : 0))
            if (changed) changedDevices += 1
          }
          expect(raised).toBe(changedDevices)
        }
      }),
      { seed: 20261124, numRuns: 40 },
    )
  })

  test('for ten thousand devices is three statements', async () => {
    const hub = await aFleetHub()
    await anEnrolledDevice(hub, 'd-1')
    await hub.database.write([
      {
        sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
              WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10000)
              SELECT 'x-' || i, '{}', 'generic-x64', randomblob(32), randomblob(32), randomblob(32), (SELECT claim FROM devices), 1 FROM n`,
      },
    ])
    const wishes: Wish[] = Array.from({ length: 10_000 }, (_, i) => ({
      device: `x-${i + 1}`,
      deployment: 'main',
      manifest: digests[0] ?? null,
      by,
    }))
    expect(await storeWishes(hub.database, wishes, 1)).toBe(10_000)
    expect(await storeWishes(hub.database, wishes, 1)).toBe(0)
    expect((await wholeWish(hub.database, 'x-9999'))?.generation).toBe(2)
  })

  test('for a device that is revoked or unknown is left out', async () => {
    const hub = await aFleetHub()
    await anEnrolledDevice(hub, 'd-1')
    await hub.database.write([revokeDevice('d-1', 1)])
    const wishes = ['d-1', 'd-2'].map((device) => ({ device, deployment: 'main', manifest: digests[0] ?? null, by }))
    expect(await storeWishes(hub.database, wishes, 1)).toBe(0)
    expect(await desiredOf(hub.database, 'd-1')).toEqual([])
    expect(await wholeWish(hub.database, 'd-1')).toBeUndefined()
  })

  test('beyond the most deployments is no change, whether it comes alone or in a crowd', async () => {
    const hub = await aFleetHub()
    await anEnrolledDevice(hub, 'd-1')
    const many = Array.from({ length: deploymentsMax + 6 }, (_, i) => ({
      device: 'd-1',
      deployment: `p-${String(i).padStart(3, '0')}`,
      manifest: digests[0] ?? null,
      by,
    }))
    await storeWishes(hub.database, many, 1)
    expect(await desiredOf(hub.database, 'd-1')).toHaveLength(deploymentsMax)
    const generation = (await wholeWish(hub.database, 'd-1'))?.generation
    expect(
      await storeWishes(hub.database, [{ device: 'd-1', deployment: 'more', manifest: digests[1] ?? null, by }], 1),
    ).toBe(0)
    expect((await wholeWish(hub.database, 'd-1'))?.generation).toBe(generation)
    const swap = [
      { device: 'd-1', deployment: 'p-000', manifest: null, by },
      { device: 'd-1', deployment: 'more', manifest: digests[1] ?? null, by },
    ]
    expect(await storeWishes(hub.database, swap, 1)).toBe(1)
    expect((await desiredOf(hub.database, 'd-1')).map(({ deployment }) => deployment)).toContain('more')
  })

  test('tried again has an attempt above every one before', async () => {
    const hub = await aFleetHub()
    await anEnrolledDevice(hub, 'd-1')
    const manifest = digests[0] ?? ''
    expect(await retryWish(hub.database, { device: 'd-1', deployment: 'main', by }, 1)).toBeUndefined()
    await storeWishes(hub.database, [{ device: 'd-1', deployment: 'main', manifest, by }], 1)
    const event = { kind: 'event', event: 'progress', at: 1, deployment: 'main', manifest, generation: 2 } as const
    await hub.database.write(progressStatements('d-1', { ...event, attempt: 5, state: 'failed', reason: 'crash' }, 1))
    expect(await retryWish(hub.database, { device: 'd-1', deployment: 'main', by }, 1)).toBe(6)
    expect(await retryWish(hub.database, { device: 'd-1', deployment: 'main', by }, 1)).toBe(7)
    expect((await wholeWish(hub.database, 'd-1'))?.generation).toBe(4)
  })

  test('that comes back to a bundle goes on with the attempt it had reported there', async () => {
    const hub = await aFleetHub()
    await anEnrolledDevice(hub, 'd-1')
    const [a = '', b = ''] = digests
    const want = (manifest: string) =>
      storeWishes(hub.database, [{ device: 'd-1', deployment: 'main', manifest, by }], 1)
    await want(a)
    await retryWish(hub.database, { device: 'd-1', deployment: 'main', by }, 1)
    const event = { kind: 'event', event: 'progress', at: 1, deployment: 'main', manifest: a, generation: 2 } as const
    await hub.database.write(progressStatements('d-1', { ...event, attempt: 2, state: 'succeeded' }, 1))
    await want(b)
    expect((await desiredOf(hub.database, 'd-1'))[0]).toMatchObject({ manifest: b, attempt: 1 })
    await want(a)
    expect((await desiredOf(hub.database, 'd-1'))[0]).toMatchObject({ manifest: a, attempt: 2 })
  })
})

describe('a floor', () => {
  test('only rises, and raises the generation of those who are to run the model, and of nobody else', async () => {
    const hub = await aFleetHub()
    for (const device of ['d-1', 'd-2']) await anEnrolledDevice(hub, device)
    const release = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const other = await aRelease(hub, 'other', Buffer.from('v2'))
    await storeWishes(
      hub.database,
      [
        { device: 'd-1', deployment: 'main', manifest: release.manifest, by },
        { device: 'd-2', deployment: 'main', manifest: other.manifest, by },
      ],
      1,
    )
    const generations = async () =>
      Promise.all(['d-1', 'd-2'].map(async (device) => (await wholeWish(hub.database, device))?.generation))
    const raise = (counter: number) => hub.database.write(floorStatements('vibration', counter, by, 1))
    const before = await generations()
    expect(before).toEqual([2, 2])
    await raise(3)
    expect(await generations()).toEqual([3, 2])
    expect((await wholeWish(hub.database, 'd-1'))?.floors).toEqual({ vibration: 3 })
    expect((await wholeWish(hub.database, 'd-2'))?.floors).toEqual({})
    await raise(3)
    await raise(2)
    expect(await generations()).toEqual([3, 2])
    expect((await wholeWish(hub.database, 'd-1'))?.floors).toEqual({ vibration: 3 })
  })
})

describe('a blob', () => {
  test('may be read by the devices that are to run it, while they are, and by nobody else', async () => {
    const hub = await aFleetHub()
    for (const device of ['d-1', 'd-2']) await anEnrolledDevice(hub, device)
    const { manifest, blob } = await aRelease(hub, 'vibration', Buffer.from('v1'))
    const may = (device: string) => mayReadBlob(hub, device, blob)
    expect(await may('d-1')).toBe(false)
    await storeWishes(hub.database, [{ device: 'd-1', deployment: 'main', manifest, by }], 1)
    expect([await may('d-1'), await may('d-2')]).toEqual([true, false])
    expect(await mayReadBlob(hub, 'd-1', 'f'.repeat(64))).toBe(false)
    const shadow: Wish = { device: 'd-2', deployment: 'main', role: 'shadow', sample: 0.5, manifest, by }
    await storeWishes(hub.database, [shadow], 1)
    expect(await may('d-2')).toBe(true)
    await storeWishes(hub.database, [{ ...shadow, manifest: null }], 1)
    expect(await may('d-2')).toBe(false)
    await hub.database.write([revokeDevice('d-1', 1)])
    expect(await may('d-1')).toBe(false)
  })
})
