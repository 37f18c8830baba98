// The hub's keys: made once, complete or not at all, readable by nobody else, and never told.

import { mkdtempSync, rmSync } from 'node:fs'
import { copyFile, mkdir, readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Writable } from 'node:stream'
import { decodePrivateKey, encodePrivateKey, generateKeyPair } from '@roost/shared/trust/keys.ts'
import { makeRoot, signRoot } from '@roost/shared/trust/root.ts'
import { pino } from 'pino'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { openKeys, rootLifetimeMs } from '../../hub/keys.ts'

let folder: string
let logged: string
const now = Date.parse('2026-11-24T08:00:00Z')
/** Bytes that are never the same twice. */
const counting = () => {
  let count = 0
  return (length: number) => new Uint8Array(length).map((_, i) => (i === 0 ? ++count : i))
}
let random = counting()
const log = pino(
  new Writable({
    write(line, _, done) {
      logged += String(line)
      done()
    },
  }),
)
const open = (at = now) => openKeys(folder, random, () => at, log)

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'roost-keys-'))
  logged = ''
  random = counting()
})
afterEach(() => rmSync(folder, { recursive: true }))

test('the first start makes root, release and assignment, 0600, and says how to move two of them away', async () => {
  const keys = await open()
  const kept = ['1.root.json', 'assignment.pem', 'release.pem', 'root.pem', 'seal.key']
  expect((await readdir(folder)).sort()).toEqual(kept)
  for (const name of kept.slice(1)) {
    expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
  }
  expect(keys.root).toMatchObject({ version: 1, expires: new Date(now + rootLifetimeMs).toISOString() })
  expect(keys.root.roles.release.keyids).toEqual([keys.release?.keyid])
  expect(keys.root.roles.assignment.keyids).toEqual([keys.assignment.keyid])
  expect(logged).toContain(`move ${join(folder, 'release.pem')}`)
  expect(logged).toContain(`move ${join(folder, 'root.pem')}`)
  for (const secret of [keys.assignment.secretKey, keys.release?.secretKey ?? new Uint8Array()]) {
    for (const encoding of ['hex', 'base64'] as const) {
      expect(logged).not.toContain(Buffer.from(secret).subarray(0, 32).toString(encoding).slice(0, 20))
    }
  }
})

test('a restart finds the same keys', async () => {
  const first = await open()
  const second = await open()
  expect(second).toEqual(first)
})

test('a first start that was cut short starts anew; one that was finished does not', async () => {
  const first = await open()
  await rm(join(folder, '1.root.json'))
  const second = await open()
  expect(second.root.roles.root.keyids).not.toEqual(first.root.roles.root.keyids)
  await writeFile(join(folder, '2.root.json.new'), 'half a root')
  expect((await open()).root).toEqual(second.root)
})

test('with release and root moved away the hub signs no model and goes on', async () => {
  await open()
  const elsewhere = join(folder, 'elsewhere')
  await mkdir(elsewhere)
  for (const name of ['release.pem', 'root.pem']) await rename(join(folder, name), join(elsewhere, name))
  const keys = await open()
  expect(keys.release).toBeUndefined()
  expect(keys.assignment.keyid).toBe(keys.root.roles.assignment.keyids[0])
})

describe('what is wrong with the folder is said', () => {
  test('no assignment key', async () => {
    await open()
    await rm(join(folder, 'assignment.pem'))
    await expect(open()).rejects.toThrow(/assignment\.pem is missing/)
  })

  test('a key the root does not name', async () => {
    await open()
    await copyFile(join(folder, 'root.pem'), join(folder, 'release.pem'))
    await expect(open()).rejects.toThrow(/release\.pem is not a key that root version 1 names for release/)
  })

  test.each(['1.root.json', 'assignment.pem', 'release.pem'])('a damaged %s', async (name) => {
    await open()
    await writeFile(join(folder, name), (await readFile(join(folder, name), 'utf8')).slice(0, -40))
    await expect(open()).rejects.toThrow()
  })
})

test('a root that follows is taken up, one that does not follow is refused', async () => {
  const first = await open()
  const pair = decodePrivateKey(await readFile(join(folder, 'root.pem'), 'utf8'))
  const release = generateKeyPair(random)
  const one = (publicKey: Uint8Array) => ({ publicKeys: [publicKey], threshold: 1 })
  const roles = {
    root: one(pair.publicKey),
    release: one(release.publicKey),
    assignment: one(first.assignment.publicKey),
  }
  const next = makeRoot({ version: 2, expires: new Date(now + 1000), roles })
  await writeFile(join(folder, '2.root.json'), signRoot(next, [pair]))
  await writeFile(join(folder, 'release.pem'), encodePrivateKey(release))
  const keys = await open()
  expect([keys.root.version, keys.roots.length, keys.release?.keyid]).toEqual([2, 2, release.keyid])
  expect(logged).not.toContain('has expired')
  await open(now + 2000)
  expect(logged).toContain('has expired')
  await writeFile(
    join(folder, '3.root.json'),
    signRoot(makeRoot({ ...next, version: 4, expires: new Date(now), roles }), [pair]),
  )
  await expect(open()).rejects.toMatchObject({ code: 'root-version' })
})
