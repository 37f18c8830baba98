// Keys exchanged by a new root in the hub's folder, as docs/operate.md tells it: devices that are there, and one that was
// away, follow it without anybody touching them.

import { randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { decodePrivateKey, encodePrivateKey, generateKeyPair } from '@roost/shared/trust/keys.ts'
import { makeRoot, signRoot } from '@roost/shared/trust/root.ts'
import { expect, test } from 'vitest'
import { aFleet, ready, register, shown, untilRuns, wish } from './a-fleet.ts'
import { aVersion } from './versions.ts'

const aKey = () => generateKeyPair((size) => new Uint8Array(randomBytes(size)))

test('new root, assignment and release keys reach devices by themselves, and sign from then on', async () => {
  await using fleet = await aFleet()
  const [here, away] = [await fleet.enrol('here'), await fleet.enrol('away')]
  await register(fleet.operator(), aVersion(1))
  await ready(here.start())
  const before = await ready(away.start())
  for (const device of ['here', 'away']) await wish(fleet.operator(), device, 1)
  for (const device of ['here', 'away']) await untilRuns(fleet.operator(), device, 1)
  await before.stop()
  await fleet.hub().stop()

  const keys = join(fleet.hub().folder, 'keys')
  const [oldRoot, oldRelease] = ['root', 'release'].map((role) =>
    decodePrivateKey(readFileSync(join(keys, `${role}.pem`), 'utf8')),
  )
  if (oldRoot === undefined || oldRelease === undefined) throw new Error('the hub made no keys')
  const [root, assignment, release] = [aKey(), aKey(), aKey()]
  const next = makeRoot({
    version: 2,
    expires: new Date(Date.now() + 86_400_000),
    roles: {
      root: { publicKeys: [root.publicKey], threshold: 1 },
      assignment: { publicKeys: [assignment.publicKey], threshold: 1 },
      // what the old one signed still counts
      release: { publicKeys: [release.publicKey, oldRelease.publicKey], threshold: 1 },
    },
  })
  writeFileSync(join(keys, '2.root.json'), signRoot(next, [oldRoot, root]))
  for (const [role, pair] of Object.entries({ root, assignment, release })) {
    writeFileSync(join(keys, `${role}.pem`), encodePrivateKey(pair))
  }
  await fleet.startHub()

  await ready(away.start())
  const second = await register(fleet.operator(), aVersion(2))
  for (const device of ['here', 'away']) await wish(fleet.operator(), device, second.version)
  for (const device of ['here', 'away']) await untilRuns(fleet.operator(), device, second.version)
  // what the old release key signed
  await wish(fleet.operator(), 'here', 1)
  await untilRuns(fleet.operator(), 'here', 1)
  for (const device of ['here', 'away']) {
    expect(await shown(fleet.operator(), device)).toMatchObject({ rootVersion: 2, stale: false })
  }
})
