// Keys over HTTP: what is told of them, a rotation in its two steps, and every way in which a root is not followed.

import { randomBytes } from 'node:crypto'
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { decodeEnvelope, payloadTypes } from '@roost/shared/trust/envelope.ts'
import { decodePrivateKey, decodePublicKey, generateKeyPair, type KeyPair } from '@roost/shared/trust/keys.ts'
import { makeRoot, type RootSpec, signRoot } from '@roost/shared/trust/root.ts'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../../hub/config.ts'
import { AuditEntry } from '../../../hub/governance/audit-routes.ts'
import { ProblemDocument } from '../../../hub/problem.ts'
import { type RunningHub, startHub } from '../../../hub/start.ts'
import { KeyDocument, KeysDocument } from '../../../hub/trust/documents.ts'
import { readAs } from '../a-hub.ts'
import { anEnrolledDevice, aRelease } from '../fleet/a-fleet.ts'

const dayMs = 86_400_000
let folder: string
let running: RunningHub

const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
const start = async () => {
  running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
}
let admin: string
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'roost-trust-'))
  await start()
  admin = running.adminToken ?? ''
})
afterEach(async () => {
  await running.close()
  rmSync(folder, { recursive: true })
})

const ask = (method: string, path: string, body?: unknown) =>
  running.app.request(path, {
    method,
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
const keysNow = () => readAs(KeysDocument, ask('GET', '/v1/keys'))
const audited = async (action: string) =>
  (await readAs(z.object({ changes: z.array(AuditEntry) }), ask('GET', `/v1/audit?action=${action}`))).changes
const aKey = () => generateKeyPair((size) => new Uint8Array(randomBytes(size)))
const held = (role: string) => decodePrivateKey(readFileSync(join(folder, 'keys', `${role}.pem`), 'utf8'))

/** A root that follows: as the present one but for what `change` says. */
function nextRoot(
  change: Partial<Record<'root' | 'release' | 'assignment', readonly Uint8Array[]>>,
  more: Partial<Pick<RootSpec, 'version' | 'expires'>> = {},
) {
  const one = (role: 'root' | 'release' | 'assignment') => ({
    publicKeys: change[role] ?? [held(role).publicKey],
    threshold: 1,
  })
  return makeRoot({
    version: running.hub.keys.root.version + 1,
    expires: new Date(Date.now() + 365 * dayMs),
    ...more,
    roles: { root: one('root'), release: one('release'), assignment: one('assignment') },
  })
}
const send = (root: ReturnType<typeof nextRoot>, pairs: readonly KeyPair[], leaveUnsigned?: boolean) =>
  ask('POST', '/v1/keys/roots', {
    envelope: Buffer.from(signRoot(root, pairs)).toString('base64'),
    ...(leaveUnsigned === undefined ? {} : { leaveUnsigned }),
  })

test('what is told of the keys of a new hub: all five, with what they are for and what they signed, and nothing private', async () => {
  await aRelease(running.hub, 'vibration', Buffer.from('model'))
  const response = await ask('GET', '/v1/keys')
  const text = await response.text()
  const { root, keys } = KeysDocument.parse(JSON.parse(text))
  expect(root).toMatchObject({ version: 1, expired: false, roles: { release: { threshold: 1, keys: 1 } } })
  expect(keys.map(({ purpose, state, here, algorithm }) => [purpose, state, here, algorithm])).toEqual([
    ['root', 'in-use', true, 'ed25519'],
    ['release', 'in-use', true, 'ed25519'],
    ['assignment', 'in-use', true, 'ed25519'],
    ['audit', 'in-use', true, 'ed25519'],
    ['seal', 'in-use', true, 'chacha20-poly1305'],
  ])
  expect(keys.slice(0, 3).map(({ signed }) => signed)).toEqual([
    { count: 1, what: 'roots' },
    { count: 1, what: 'manifests' },
    null,
  ])
  for (const role of ['root', 'release', 'assignment', 'audit']) {
    const pair = held(role)
    const told = keys.find(({ purpose }) => purpose === role)
    expect([told?.id, Uint8Array.from(decodePublicKey(told?.publicKey ?? ''))]).toEqual([pair.keyid, pair.publicKey])
    expect(Date.parse(told?.since ?? '')).toBeGreaterThan(Date.now() - dayMs)
    const seed = Buffer.from(pair.secretKey.subarray(0, 32))
    for (const encoding of ['hex', 'base64', 'base64url'] as const) expect(text).not.toContain(seed.toString(encoding))
  }
  expect(text).not.toContain('PRIVATE')
  expect(text).not.toContain(readFileSync(join(folder, 'keys/seal.key'), 'utf8').trim())
})

test('the whole rotation while the hub runs: next assignment key, new root, old keys retired, on record, and after a restart', async () => {
  const [oldRoot, oldRelease, oldAssignment] = [held('root'), held('release'), held('assignment')]
  const [root, release] = [aKey(), aKey()]
  const next = await readAs(KeyDocument, ask('POST', '/v1/keys/assignment/next'))
  expect(next).toMatchObject({ purpose: 'assignment', state: 'next', here: true })
  // asked again it is the same
  expect(await readAs(KeyDocument, ask('POST', '/v1/keys/assignment/next'))).toEqual(next)
  expect((await audited('key.')).map(({ action, subject }) => [action, subject])).toEqual([
    ['key.prepare', `key:${next.id}`],
  ])
  // moved away, as the hub says at its first start
  renameSync(join(folder, 'keys/root.pem'), join(folder, 'root.pem'))

  const following = nextRoot({
    root: [root.publicKey],
    release: [release.publicKey],
    assignment: [decodePublicKey(next.publicKey ?? '')],
  })
  const response = await send(following, [oldRoot, root])
  expect(response.status).toBe(201)
  const after = await readAs(KeysDocument, Promise.resolve(response))
  expect(after.root.version).toBe(2)
  const states = after.keys.map(({ purpose, id, state, here, roots }) => [purpose, id, state, here, roots?.last])
  const expected = [
    ['root', root.keyid, 'in-use', false, 2],
    ['root', oldRoot.keyid, 'retired', false, 1],
    ['release', release.keyid, 'in-use', false, 2],
    ['release', oldRelease.keyid, 'retired', false, 1],
    ['assignment', next.id, 'in-use', true, 2],
    ['assignment', oldAssignment.keyid, 'retired', false, 1],
  ]
  expect(states.slice(0, 6)).toEqual(expected)
  expect(after.keys.find(({ id }) => id === oldRelease.keyid)?.until).not.toBeNull()
  expect(running.hub.keys.assignment.keyid).toBe(next.id)
  expect(running.hub.keys.release).toBeUndefined()
  expect(readdirSync(join(folder, 'keys'))).toEqual(
    expect.arrayContaining(['2.root.json', `release.${oldRelease.keyid.slice(0, 8)}.retired.pem`]),
  )
  expect(existsSync(join(folder, 'keys/assignment-next.pem'))).toBe(false)
  const [record] = await audited('root.')
  expect(record).toMatchObject({ action: 'root.follow', subject: 'root:2', actor: `token:${admin.slice(6, 14)}` })

  await running.close()
  // as a copy leaves its files that does not keep their times
  const copiedAt = new Date(Date.now() + dayMs)
  for (const file of readdirSync(join(folder, 'keys'))) utimesSync(join(folder, 'keys', file), copiedAt, copiedAt)
  await start()
  const { keys } = await keysNow()
  expect(keys.slice(0, 6).map(({ id, state }) => [id, state])).toEqual(expected.map(([, id, state]) => [id, state]))
  expect(await audited('root.')).toHaveLength(1)
  const [begun] = (await audited('')).toReversed()
  for (const { state, since, until } of keys.slice(0, 6))
    expect([since, until]).toEqual(state === 'in-use' ? [record?.at, null] : [begun?.at, record?.at])
})

test('a key that is next is as old as the log says, whatever became of its file', async () => {
  const next = await readAs(KeyDocument, ask('POST', '/v1/keys/assignment/next'))
  const copiedAt = new Date(Date.now() + dayMs)
  utimesSync(join(folder, 'keys/assignment-next.pem'), copiedAt, copiedAt)
  expect((await keysNow()).keys.find(({ state }) => state === 'next')?.since).toBe(next.since)
  expect(next.since).toBe((await audited('key.'))[0]?.at)
})

describe('a root is not followed', () => {
  const refused = async (response: Response | Promise<Response>) => {
    const { status, code, detail } = await readAs(ProblemDocument, Promise.resolve(response))
    expect(running.hub.keys.root.version).toBe(1)
    expect(readdirSync(join(folder, 'keys'))).not.toContain('2.root.json')
    expect(await audited('root.')).toEqual([])
    return { status, code, detail }
  }

  test('that the old root keys did not sign, whoever sends it', async () => {
    const [root, stranger] = [aKey(), aKey()]
    const next = nextRoot({ root: [root.publicKey] })
    for (const pairs of [[root], [root, stranger], [root, held('release')], [root, held('assignment')]]) {
      expect(await refused(send(next, pairs))).toMatchObject({ status: 422, code: 'root-refused' })
    }
    // nor one that its own keys did not
    expect(await refused(send(next, [held('root')]))).toMatchObject({ code: 'root-refused' })
  })

  test('that skips a version, is the present one, or has one byte changed', async () => {
    const root = held('root')
    expect(await refused(send(nextRoot({}, { version: 3 }), [root]))).toMatchObject({ code: 'root-refused' })
    expect(await refused(send(nextRoot({}, { version: 1 }), [root]))).toMatchObject({ code: 'root-refused' })
    const bytes = Buffer.from(signRoot(nextRoot({}), [root]))
    for (const at of [10, 200, bytes.length - 20]) {
      const changed = Buffer.from(bytes)
      changed[at] = (changed[at] ?? 0) ^ 1
      const response = ask('POST', '/v1/keys/roots', { envelope: changed.toString('base64') })
      expect((await refused(response)).status).toBe(422)
    }
  })

  test('that names no assignment key of this hub, asks for two, or expires at once', async () => {
    const root = held('root')
    expect(await refused(send(nextRoot({ assignment: [aKey().publicKey] }), [root]))).toMatchObject({
      code: 'no-assignment-key',
    })
    const two = nextRoot({ assignment: [held('assignment').publicKey, aKey().publicKey] })
    two.roles.assignment.threshold = 2
    expect(await refused(send(two, [root]))).toMatchObject({ code: 'no-assignment-key' })
    const short = nextRoot({}, { expires: new Date(Date.now() + dayMs / 2) })
    expect(await refused(send(short, [root]))).toMatchObject({ code: 'root-expired' })
  })

  test('that leaves without a signature what devices are to run, unless that is said', async () => {
    const { manifest } = await aRelease(running.hub, 'vibration', Buffer.from('model'))
    const { device } = await anEnrolledDevice(running.hub, 'd-1')
    await running.hub.database.write([
      {
        sql: `INSERT INTO desired (device, deployment, manifest, role, attempt, generation, changed_by, changed_at)
              VALUES (?, 'vibration', ?, 'primary', 1, 2, 'test', 0)`,
        args: [device, manifest],
      },
    ])
    const release = aKey()
    const root = held('root')
    const { code, detail } = await refused(send(nextRoot({ release: [release.publicKey] }), [root]))
    expect([code, detail]).toEqual(['leaves-unsigned', expect.stringContaining('vibration v1')])
    const both = nextRoot({ release: [release.publicKey, held('release').publicKey] })
    expect((await send(both, [root])).status).toBe(201)
    const only = nextRoot({ release: [release.publicKey] })
    expect((await send(only, [root])).status).toBe(409)
    expect((await send(only, [root], true)).status).toBe(201)
  })

  test('by anybody but an admin', async () => {
    const made = await ask('POST', '/v1/tokens', { name: 'o', role: 'operator' })
    const { token } = await readAs(z.object({ token: z.string() }), Promise.resolve(made))
    const envelope = Buffer.from(signRoot(nextRoot({}), [held('root')])).toString('base64')
    for (const [path, body] of [
      ['/v1/keys/roots', { envelope }],
      ['/v1/keys/assignment/next', {}],
    ] as const) {
      const response = await running.app.request(path, {
        method: 'POST',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body: JSON.stringify(body),
      })
      expect(response.status).toBe(403)
    }
    expect(running.hub.keys.root.version).toBe(1)
  })
})

test('a rotation that was cut short after the root was written goes on at the next start, and is put on record', async () => {
  const next = await readAs(KeyDocument, ask('POST', '/v1/keys/assignment/next'))
  const root = nextRoot({ assignment: [decodePublicKey(next.publicKey ?? '')], release: [aKey().publicKey] })
  const envelope = signRoot(root, [held('root')])
  await running.close()
  writeFileSync(join(folder, 'keys/2.root.json'), envelope)
  await start()
  expect(running.hub.keys.assignment.keyid).toBe(next.id)
  expect(running.hub.keys.release).toBeUndefined()
  expect(await audited('root.')).toMatchObject([{ actor: 'hub', action: 'root.follow', subject: 'root:2' }])
})

test('the roots are given as they were signed', async () => {
  const { roots } = await readAs(
    z.object({ roots: z.array(z.object({ version: z.number(), envelope: z.string() })) }),
    ask('GET', '/v1/keys/roots'),
  )
  expect(roots.map(({ version }) => version)).toEqual([1])
  const envelope = Buffer.from(roots[0]?.envelope ?? '', 'base64')
  expect(envelope).toEqual(readFileSync(join(folder, 'keys/1.root.json')))
  expect(decodeEnvelope(envelope, payloadTypes.root).signatures).toHaveLength(1)
})
