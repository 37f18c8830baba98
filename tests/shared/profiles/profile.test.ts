// Whatever profile is accepted, an agent can start with it.

import { randomBytes } from 'node:crypto'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identityFolder, loadIdentity } from '@roost/agent/identity/device.ts'
import { Outbox } from '@roost/agent/outbox/outbox.ts'
import { outboxBytesMin, Profile } from '@roost/shared/profiles/profile.ts'
import pino from 'pino'
import { expect, onTestFinished, test } from 'vitest'

const shipped = new URL('../../../firmware-profiles/', import.meta.url)
const profiles = readdirSync(shipped).map((name) =>
  Profile.parse(JSON.parse(readFileSync(new URL(name, shipped), 'utf8'))),
)

function aFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'roost-profile-'))
  onTestFinished(() => rmSync(folder, { recursive: true }))
  return folder
}

test('the least an outbox is given is what one needs', async () => {
  for (const profile of profiles) {
    const least = Profile.parse({ ...profile, outboxBytes: outboxBytesMin })
    const outbox = await Outbox.open(join(aFolder(), 'outbox'), {
      bytesMax: least.outboxBytes,
      clock: Date.now,
      random: (length) => new Uint8Array(randomBytes(length)),
      log: pino({ enabled: false }),
    })
    await outbox.close()
    expect(Profile.safeParse({ ...profile, outboxBytes: outboxBytesMin - 1 }).success).toBe(false)
  }
})

test('where one that is enrolled was given less, it is said what is wrong, and nothing that is secret', async () => {
  const folder = aFolder()
  mkdirSync(identityFolder(folder))
  const [profile] = profiles
  const identity = { formatVersion: 1, device: 'd-1', secret: 'a-secret', hubUrl: 'http://hub', mqttUrl: 'mqtt://hub' }
  const path = join(identityFolder(folder), 'device.json')
  writeFileSync(path, JSON.stringify({ ...identity, profile: { ...profile, outboxBytes: 4_096 } }))
  await expect(loadIdentity(folder)).rejects.toThrow(/is damaged \(profile\.outboxBytes: .+\): remove it/)
  writeFileSync(path, '{"secret":"a-secret"')
  await expect(loadIdentity(folder)).rejects.toThrow(/device\.json is damaged: remove it/)
})
