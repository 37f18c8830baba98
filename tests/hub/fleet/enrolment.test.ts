// Claims, enrolment and secrets: who may become a device, and who may stay one.

import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { authenticateDevice, findDevice, listDevices, revokeDevice, rotateSecret } from '../../../hub/fleet/devices.ts'
import { enrolDevice } from '../../../hub/fleet/enrolment.ts'
import type { Hub } from '../../../hub/hub.ts'
import { Problem } from '../../../hub/problem.ts'
import { aFleetHub, anEnrolledDevice, anEnrolment, createClaim } from './a-fleet.ts'

const hourMs = 3_600_000
const aClaim = (hub: Hub, usesMax = 1, labels: Record<string, string> = {}) =>
  createClaim(hub, { labels, usesMax, expiresAt: hub.clock() + hourMs, by: 'test' })

/** The problem's code, or `enrolled`. */
const outcomeOf = (enrolling: Promise<unknown>) =>
  enrolling.then(
    () => 'enrolled',
    (error: unknown) => {
      if (error instanceof Problem) return error.code
      throw error
    },
  )

describe('a claim', () => {
  test('of one use enrols one of fifty devices that race for it', async () => {
    const hub = await aFleetHub()
    const { token } = await aClaim(hub)
    const outcomes = await Promise.all(
      Array.from({ length: 50 }, (_, i) => outcomeOf(enrolDevice(hub, anEnrolment(token, { device: `d-${i}` })))),
    )
    expect(outcomes.filter((outcome) => outcome === 'enrolled')).toHaveLength(1)
    expect(outcomes.filter((outcome) => outcome === 'claim-used-up')).toHaveLength(49)
    expect(await listDevices(hub.database, { query: { kind: 'all' }, revoked: true }, '', 100)).toHaveLength(1)
  })

  test('of thirty uses enrols thirty of fifty, each with a name and secret of its own', async () => {
    const hub = await aFleetHub()
    const { token } = await aClaim(hub, 30, { site: 'north' })
    const enrolled = await Promise.allSettled(Array.from({ length: 50 }, () => enrolDevice(hub, anEnrolment(token))))
    const devices = enrolled.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
    expect(devices).toHaveLength(30)
    expect(new Set(devices.map(({ device }) => device)).size).toBe(30)
    expect(new Set(devices.map(({ secret }) => secret)).size).toBe(30)
    for (const { device, secret } of devices) {
      expect(await authenticateDevice(hub, device, secret)).toBe(true)
      expect((await findDevice(hub.database, device))?.labels).toEqual({ site: 'north' })
    }
  })

  test('that has expired, was revoked, is somebody else’s or was tampered with enrols nobody', async () => {
    let now = 1_800_000_000_000
    const hub = await aFleetHub({ clock: () => now })
    const { token, id } = await aClaim(hub, 10)
    const other = token.slice(0, -1) + (token.endsWith('A') ? 'B' : 'A')
    for (const wrong of ['', 'x', other, token.toUpperCase(), `${token} `, `roostclaim_${id}_${'A'.repeat(43)}`, id]) {
      expect(await outcomeOf(enrolDevice(hub, anEnrolment(wrong)))).toBe('claim-unknown')
    }
    now += hourMs
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(token)))).toBe('claim-expired')
    now -= 1
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(token)))).toBe('enrolled')
    await hub.database.write([{ sql: 'UPDATE claims SET revoked_at = 1' }])
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(token)))).toBe('claim-revoked')
  })

  test('needs a proof of the very request: every change of a field breaks it', async () => {
    const hub = await aFleetHub()
    const { token } = await aClaim(hub, 100)
    const { token: otherToken } = await aClaim(hub, 100)
    const request = anEnrolment(token, { device: 'd-1' })
    const another = anEnrolment(token, { device: 'd-1' })
    const { device: _, ...nameless } = request
    const changes = [
      { ...request, device: 'd-2' },
      nameless,
      { ...request, profile: 'raspberry-pi-5' },
      { ...request, sealKey: another.sealKey },
      { ...request, signKey: another.signKey },
      { ...request, token: otherToken },
      { ...request, proof: another.proof },
      { ...request, proof: Buffer.alloc(64).toString('base64') },
    ]
    for (const changed of changes) expect(await outcomeOf(enrolDevice(hub, changed))).toBe('bad-proof')
    expect(await outcomeOf(enrolDevice(hub, request))).toBe('enrolled')
  })

  test('refuses a weak key, under which anybody can sign', async () => {
    const hub = await aFleetHub()
    const { token } = await aClaim(hub)
    const weak = Buffer.alloc(32)
    weak[0] = 1
    const request = { ...anEnrolment(token), signKey: weak.toString('base64') }
    expect(
      await outcomeOf(
        enrolDevice(hub, { ...request, proof: Buffer.concat([weak, Buffer.alloc(32)]).toString('base64') }),
      ),
    ).toBe('bad-proof')
  })
})

describe('a device whose answer was lost', () => {
  test('enrols again with the same key: same device, new secret, no further use', async () => {
    const hub = await aFleetHub()
    const { token } = await aClaim(hub)
    const seed = new Uint8Array(randomBytes(32))
    const first = await enrolDevice(hub, anEnrolment(token, { seed }))
    const second = await enrolDevice(hub, anEnrolment(token, { seed }))
    expect(second.device).toBe(first.device)
    expect(await authenticateDevice(hub, first.device, second.secret)).toBe(true)
    expect(await authenticateDevice(hub, first.device, first.secret)).toBe(false)
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(token)))).toBe('claim-used-up')
  })

  test('cannot do so under another name, another claim, or after it was revoked', async () => {
    const hub = await aFleetHub()
    const { token } = await aClaim(hub, 5)
    const { token: other } = await aClaim(hub, 5)
    const seed = new Uint8Array(randomBytes(32))
    const { device } = await enrolDevice(hub, anEnrolment(token, { seed, device: 'd-1' }))
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(token, { seed, device: 'd-2' })))).toBe('device-exists')
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(other, { seed })))).toBe('device-exists')
    await hub.database.write([revokeDevice(device, 1)])
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(token, { seed })))).toBe('device-exists')
  })

  test('nobody takes the name of another, also not of one that was revoked', async () => {
    const hub = await aFleetHub()
    const { token } = await aClaim(hub, 5)
    const victim = await enrolDevice(hub, anEnrolment(token, { device: 'd-1' }))
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(token, { device: 'd-1' })))).toBe('device-exists')
    expect(await authenticateDevice(hub, 'd-1', victim.secret)).toBe(true)
    await hub.database.write([revokeDevice('d-1', 1)])
    expect(await outcomeOf(enrolDevice(hub, anEnrolment(token, { device: 'd-1' })))).toBe('device-exists')
  })
})

describe('a secret', () => {
  test('opens only its own device, and none that is revoked or unknown', async () => {
    const hub = await aFleetHub()
    const a = await anEnrolledDevice(hub, 'd-a')
    const b = await anEnrolledDevice(hub, 'd-b')
    expect(await authenticateDevice(hub, a.device, a.secret)).toBe(true)
    for (const [device, secret] of [
      [a.device, b.secret],
      [a.device, ''],
      [a.device, a.secret.slice(1)],
      ['d-c', a.secret],
      ['', ''],
      ['__proto__', a.secret],
    ] as const) {
      expect(await authenticateDevice(hub, device, secret)).toBe(false)
    }
    await hub.database.write([revokeDevice(a.device, 1)])
    expect(await authenticateDevice(hub, a.device, a.secret)).toBe(false)
  })

  test('is exchanged in two phases: the old one holds until the new one is used, then it is dead', async () => {
    const hub = await aFleetHub()
    const { device, secret: old } = await anEnrolledDevice(hub, 'd-1')
    const lost = (await rotateSecret(hub, device)) ?? ''
    expect(await authenticateDevice(hub, device, old)).toBe(true)
    const next = (await rotateSecret(hub, device)) ?? ''
    expect(await authenticateDevice(hub, device, lost)).toBe(false)
    expect(await authenticateDevice(hub, device, old)).toBe(true)
    // several connections may use the new one at the same time
    expect(await Promise.all(Array.from({ length: 10 }, () => authenticateDevice(hub, device, next)))).not.toContain(
      false,
    )
    expect(await authenticateDevice(hub, device, old)).toBe(false)
    expect(await authenticateDevice(hub, device, next)).toBe(true)
  })

  test('of a revoked device is not exchanged, and one handed out before is dead too', async () => {
    const hub = await aFleetHub()
    const { device } = await anEnrolledDevice(hub, 'd-1')
    const next = (await rotateSecret(hub, device)) ?? ''
    await hub.database.write([revokeDevice(device, 1)])
    expect(await rotateSecret(hub, device)).toBeUndefined()
    expect(await authenticateDevice(hub, device, next)).toBe(false)
  })

  test('and a claim token are nowhere in the database’s files', async () => {
    const hub = await aFleetHub()
    const { token } = await aClaim(hub, 2)
    const { device, secret } = await enrolDevice(hub, anEnrolment(token))
    const next = (await rotateSecret(hub, device)) ?? ''
    await hub.database.all(z.unknown(), 'PRAGMA wal_checkpoint(FULL)')
    const files = await Promise.all(['hub.db', 'hub.db-wal'].map((name) => readFile(join(hub.folder, name))))
    const bytes = Buffer.concat(files)
    expect(bytes.includes(device)).toBe(true)
    for (const raw of [token, secret, next]) {
      expect(bytes.includes(raw)).toBe(false)
      expect(bytes.includes(Buffer.from(raw.slice(-43), 'base64url'))).toBe(false)
    }
  })
})
