// What the control process does with assign messages: nothing before it is on disk, nothing twice, nothing in floods.

import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Assignments, refusalEveryMs, waitingMax } from '@roost/agent/control/assignments.ts'
import { Manifests } from '@roost/agent/control/manifests.ts'
import { type PinnedState, pinFirstRoot } from '@roost/agent/identity/pinned-state.ts'
import type { Question } from '@roost/agent/link/link.ts'
import type { Wish } from '@roost/agent/reconcile/target.ts'
import { type Manifest, manifestDigest, manifestPayload, signManifest } from '@roost/shared/bundle/manifest.ts'
import type { DeviceEvent } from '@roost/shared/protocol/records.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { type Assignment, signAssignment } from '@roost/shared/trust/assignment.ts'
import { signRoot } from '@roost/shared/trust/root.ts'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { aManifest, anAssignment, aRoot, assignmentKey, releaseKey, rootKey } from '../../shared/trust/builders.ts'
import { aProfile } from './a-profile.ts'

const silent = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }
const digestOf = (manifest: Manifest) => manifestDigest(manifestPayload(manifest))
const question = (ordinal: number): Question => ({ nonce: Buffer.alloc(16, ordinal), ordinal, askedAt: ordinal * 1000 })

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-assignments-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

type Message = { to?: Question; manifests?: Manifest[]; sent?: Manifest[] } & Partial<Assignment>

function aMessage({
  to = question(1),
  manifests = [aManifest()],
  sent = manifests,
  ...changes
}: Message = {}): Uint8Array {
  const deployments = manifests.map((manifest, i) => ({
    deployment: `line-${i + 1}`,
    manifest: digestOf(manifest),
    attempt: 1,
  }))
  const nonce = Buffer.from(to.nonce).toString('hex')
  return encode({
    assignment: signAssignment(anAssignment({ nonce, deployments, ...changes }), [assignmentKey]),
    manifests: sent.map((manifest) => signManifest(manifestPayload(manifest), [releaseKey])),
    roots: [],
  })
}

async function aDevice() {
  const told: (Wish | DeviceEvent | PinnedState)[] = []
  const wishes: Wish[] = []
  const events: DeviceEvent[] = []
  const clock = { ms: 0 }
  let refuseSave = false
  const assignments = new Assignments({
    device: 'd-42',
    profile: aProfile,
    pinned: pinFirstRoot(signRoot(aRoot(), [rootKey])),
    manifests: await Manifests.open(folder, silent),
    sealedKeys: { put: async () => undefined },
    save: async (pinned) => {
      if (refuseSave) throw Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' })
      told.push(pinned)
    },
    onPatches: () => undefined,
    onWish: (wish) => {
      told.push(wish)
      wishes.push(wish)
    },
    onEvent: (event) => events.push(event),
    now: () => clock.ms,
    wallClock: () => 0,
    log: silent,
  })
  const take = (bytes: Uint8Array, latest = question(1), earlier: Question[] = []) => {
    assignments.take(bytes, { latest, earlier })
    return assignments.settled()
  }
  return { assignments, take, wishes, events, told, clock, diskIsFull: (full: boolean) => (refuseSave = full) }
}

describe('a right assignment', () => {
  test('is pinned before it is wished, with its manifest on disk', async () => {
    const { take, told, wishes } = await aDevice()
    await take(aMessage())
    expect(told).toHaveLength(2)
    expect(told[0]).toMatchObject({ generation: 31 })
    expect(wishes[0]).toMatchObject({ generation: 31, hello: 1, askedAt: 1000, expired: false })
    expect(readdirSync(folder)).toEqual([digestOf(aManifest())])
  })

  test('does nothing while the disk refuses it, and is taken when it comes again', async () => {
    const { take, wishes, diskIsFull, assignments } = await aDevice()
    diskIsFull(true)
    await take(aMessage())
    expect(wishes).toEqual([])
    expect(assignments.pinned.generation).toBe(0)
    diskIsFull(false)
    await take(aMessage({ to: question(2) }), question(2))
    expect(wishes).toHaveLength(1)
  })

  test('may leave out a manifest that came along before, also before a restart', async () => {
    await (await aDevice()).take(aMessage())
    const restarted = await aDevice()
    await restarted.take(aMessage({ sent: [], generation: 32 }))
    expect(restarted.wishes).toMatchObject([{ generation: 32, bundles: [{ manifest: digestOf(aManifest()) }] }])
  })

  test('may not leave out one whose file was changed meanwhile', async () => {
    await (await aDevice()).take(aMessage())
    writeFileSync(
      join(folder, digestOf(aManifest())),
      signManifest(manifestPayload(aManifest({ counter: 99 })), [releaseKey]),
    )
    const restarted = await aDevice()
    await restarted.take(aMessage({ sent: [], generation: 32 }))
    expect(restarted.wishes).toEqual([])
    expect(restarted.events).toMatchObject([{ event: 'refused', code: 'manifest-missing' }])
  })
})

describe('a refusal', () => {
  test('reaches the hub once in ten minutes for each kind, however much rubbish comes', async () => {
    const { take, events, clock } = await aDevice()
    for (let i = 0; i < 100; i++) await take(Buffer.from([i]))
    await take(aMessage({ device: 'd-43' }))
    expect(events).toMatchObject([{ code: 'message' }, { code: 'device' }])
    clock.ms = refusalEveryMs
    await take(Buffer.from([1]))
    expect(events).toHaveLength(3)
  })

  test('is none where the answer to an earlier hello comes late, and one where it answers none', async () => {
    const { take, events, wishes } = await aDevice()
    await take(aMessage({ to: question(1) }), question(2), [question(1)])
    expect([wishes, events]).toEqual([[], []])
    await take(aMessage({ to: question(1) }), question(3), [question(2)])
    expect([wishes, events]).toMatchObject([[], [{ event: 'refused', code: 'nonce' }]])
  })
})

test('messages that come faster than they are judged wait in a bounded queue, and the newest is among them', async () => {
  const { assignments, wishes } = await aDevice()
  const newest = 31 + 3 * waitingMax
  for (let generation = 31; generation <= newest; generation++) {
    assignments.take(aMessage({ generation }), { latest: question(1), earlier: [] })
  }
  await assignments.settled()
  expect(wishes.length).toBeLessThanOrEqual(waitingMax + 1)
  expect(wishes.at(-1)?.generation).toBe(newest)
})

test('nothing is taken any more once it is closed', async () => {
  const { assignments, take, wishes, told } = await aDevice()
  await assignments.close()
  await take(aMessage())
  expect([wishes, told]).toEqual([[], []])
})
