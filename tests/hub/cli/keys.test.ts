// `roost keys`: what it lists, and a rotation of every kind of key with the root key at hand; what cannot be is said in a
// sentence, and changes nothing.

import { existsSync, readFileSync, renameSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { decodePrivateKey } from '@roost/shared/trust/keys.ts'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { KeyDocument, KeysDocument } from '../../../hub/trust/documents.ts'
import { aHubProcess, type HubProcess } from '../../builders/hub-process.ts'
import { aPerson, type Person } from './a-person.ts'

let hub: HubProcess
let person: Person
beforeAll(async () => {
  hub = await aHubProcess()
  person = aPerson()
  // where it belongs: away from the hub
  renameSync(join(hub.folder, 'keys/root.pem'), join(person.home, 'root.pem'))
})
afterAll(async () => {
  person[Symbol.dispose]()
  await hub[Symbol.asyncDispose]()
})

const roost = (line: string) =>
  person.runs(`keys ${line}`, { env: { ROOST_URL: hub.url, ROOST_TOKEN: hub.adminToken ?? '' } })
const keysNow = async () => KeysDocument.parse(JSON.parse((await roost('list --json')).stdout))
const states = async () => (await keysNow()).keys.map(({ purpose, state, here }) => `${purpose} ${state} ${here}`)
const idOf = (file: string) => decodePrivateKey(readFileSync(join(person.home, file), 'utf8')).keyid

test('what there is, and one of them', async () => {
  const { stdout } = await roost('list')
  expect(stdout).toMatch(/^root 1, good until 20\d\d-\d\d-\d\d, followed by 0 of 0 devices\n/)
  expect(stdout).toMatch(/^root +\S+… +in-use +elsewhere/m)
  expect(stdout).toMatch(/^seal +in-use +at the hub .*0 bundles$/m)
  const shown = await roost('show root')
  expect(shown.stdout).toContain(idOf('root.pem'))
  expect(shown.stdout).toContain('-----BEGIN PUBLIC KEY-----')
  const byId = KeyDocument.parse(JSON.parse((await roost(`show ${idOf('root.pem').slice(0, 8)} --json`)).stdout))
  expect(byId.purpose).toBe('root')
  expect(await roost('show nothing')).toMatchObject({ code: 1, stderr: expect.stringContaining('there is no key') })
})

test('a dry run makes and changes nothing, and what cannot be is said', async () => {
  const dry = await roost('rotate --root-key root.pem --new-release r.pem --new-root s.pem --assignment --dry-run')
  expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining('root 2 would follow') })
  expect([existsSync(join(person.home, 'r.pem')), existsSync(join(person.home, 's.pem'))]).toEqual([false, false])
  for (const [line, says] of [
    ['rotate --root-key root.pem', 'nothing to change'],
    ['rotate --root-key nowhere.pem --assignment', 'no such file'],
    ['rotate --root-key root.pem --drop-release ffff', 'begins no release key'],
    [
      `rotate --root-key root.pem --drop-release ${(await idsOf('release'))[0]}`,
      'release needs 1 keys, and 0 would be left',
    ],
  ] as const) {
    expect(await roost(line), line).toMatchObject({ code: 1, stderr: expect.stringContaining(says) })
  }
  // the release key of the hub is no root key
  const stranger = await roost(`rotate --root-key ${join(hub.folder, 'keys/release.pem')} --assignment`)
  expect(stranger).toMatchObject({ code: 1, stderr: expect.stringContaining('is no root key of root 1') })
  expect((await keysNow()).root.version).toBe(1)
  expect((await states()).filter((line) => line.includes('next'))).toEqual([])
})

const idsOf = async (purpose: string) =>
  (await keysNow()).keys.filter((key) => key.purpose === purpose && key.state === 'in-use').map(({ id }) => id ?? '')

test('every kind of key is exchanged, one root after the other, while the hub runs', async () => {
  const [assignment] = await idsOf('assignment')
  const first = await roost('rotate --root-key root.pem --assignment')
  expect([first.code, first.stderr]).toEqual([0, ''])
  expect(first.stdout).toMatch(/^the hub follows root 2\n/)
  expect(await idsOf('assignment')).not.toContain(assignment)

  const [oldRelease = ''] = await idsOf('release')
  expect((await roost('rotate --root-key root.pem --new-release release-2.pem')).code).toBe(0)
  expect(statSync(join(person.home, 'release-2.pem')).mode & 0o777).toBe(0o600)
  expect((await idsOf('release')).sort()).toEqual([oldRelease, idOf('release-2.pem')].sort())
  expect((await roost(`rotate --root-key root.pem --drop-release ${oldRelease.slice(0, 10)}`)).code).toBe(0)
  expect(await idsOf('release')).toEqual([idOf('release-2.pem')])

  const oldRoot = idOf('root.pem')
  expect((await roost('rotate --root-key root.pem --new-root root-2.pem --days 400')).code).toBe(0)
  expect(await idsOf('root')).toEqual([idOf('root-2.pem')])
  // the old one has had its time
  const late = await roost('rotate --root-key root.pem --assignment')
  expect(late).toMatchObject({ code: 1, stderr: expect.stringContaining(`${oldRoot.slice(0, 12)}… is no root key`) })
  expect((await roost('rotate --root-key root-2.pem --assignment')).code).toBe(0)
  expect((await keysNow()).root.version).toBe(6)
  // nothing private went over the line, or into the log
  for (const file of ['root.pem', 'root-2.pem', 'release-2.pem']) {
    const { secretKey } = decodePrivateKey(readFileSync(join(person.home, file), 'utf8'))
    expect(hub.output()).not.toContain(Buffer.from(secretKey.subarray(0, 32)).toString('base64').slice(0, 20))
  }
})
