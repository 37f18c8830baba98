// What Mosquitto is told is what the embedded broker would decide: who may come in, and what each may say and hear.

import { pbkdf2Sync, randomBytes } from 'node:crypto'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DeviceId } from '@roost/shared/protocol/names.ts'
import {
  chunkFilter,
  chunkTopic,
  downFilter,
  downKinds,
  downTopic,
  shardOf,
  upKinds,
  upTopic,
} from '@roost/shared/protocol/topics.ts'
import fc from 'fast-check'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { mayReadBlob, storeWishes } from '../../../hub/fleet/desired.ts'
import { authenticateDevice, revokeDevice, rotateSecret } from '../../../hub/fleet/devices.ts'
import { keepAccess } from '../../../hub/fleet/mosquitto/access.ts'
import { type Admitted, accessFiles, hubUser } from '../../../hub/fleet/mosquitto/access-files.ts'
import { admittedDevices } from '../../../hub/fleet/mosquitto/admitted.ts'
import { passwordHash } from '../../../hub/fleet/mosquitto/password.ts'
import { judgeFilter, judgePublish } from '../../../hub/fleet/topic-access.ts'
import { silent } from './a-broker.ts'
import { aFleetHub, aRelease, someDevices } from './a-fleet.ts'

const random = (length: number) => new Uint8Array(randomBytes(length))

/** What an access file lets a user say or hear, as mosquitto.conf(5) has it: any rule of theirs, or pattern, that matches
 *  the topic. */
function reader(acl: string): (user: string, access: 'read' | 'write', topic: string) => boolean {
  const rules = new Map<string, { access: string; filter: string }[]>()
  const patterns: { access: string; filter: string }[] = []
  let user = ''
  for (const line of acl.split('\n')) {
    const named = /^user (.+)$/.exec(line)?.[1]
    if (named !== undefined) {
      user = named
      if (rules.has(user)) throw new Error(`${user} is there twice`)
      rules.set(user, [])
      continue
    }
    const [, kind, access = '', filter = ''] = /^(topic|pattern) (read|write|readwrite) (\S+)$/.exec(line) ?? []
    if (kind === 'pattern') patterns.push({ access, filter })
    else if (kind === 'topic') rules.get(user)?.push({ access, filter })
    else if (line !== '' && !line.startsWith('#')) throw new Error(`no rule: ${line}`)
  }
  return (who, access, topic) => {
    const theirs = patterns.map((rule) => ({ ...rule, filter: rule.filter.replaceAll('%u', who) }))
    return [...(rules.get(who) ?? []), ...theirs].some(
      (rule) => rule.access.includes(access) && matches(rule.filter, topic),
    )
  }
}

function matches(filter: string, topic: string): boolean {
  const levels = topic.split('/')
  const wanted = filter.split('/')
  if (wanted.includes('#')) throw new Error('no rule of ours has a #')
  return levels.length === wanted.length && wanted.every((level, i) => level === '+' || level === levels[i])
}

const device = fc
  .stringMatching(/^[a-z0-9]([a-z0-9-]{0,8}[a-z0-9])?$/)
  .filter((name) => DeviceId.safeParse(name).success)
const digest = fc.stringMatching(/^[0-9a-f]{2}$/).map((hex) => hex.repeat(32))
const fleet = fc.uniqueArray(
  fc.record({ device, password: fc.constant('$7$1$x$y'), blobs: fc.uniqueArray(digest, { maxLength: 3 }) }),
  { selector: (one) => one.device, minLength: 1, maxLength: 6 },
)

/** The same topic under the shard of the device. */
const rightShard = (topic: string, name: string): string =>
  topic.replace(/^(roost\/1\/s\/)[^/]*(?=\/d\/)/, `$1${shardOf(name)}`)

/** Topics of ours, of others, and such that are nearly one. */
const topicOf = (devices: readonly Admitted[]) => {
  const someone = fc.constantFrom(...devices.map((one) => one.device), 'stranger', hubUser)
  const topic = fc.oneof(
    fc.tuple(someone, fc.constantFrom(...upKinds)).map(([name, kind]) => upTopic(name, kind)),
    fc.tuple(someone, fc.constantFrom(...downKinds)).map(([name, kind]) => downTopic(name, kind)),
    fc
      .tuple(fc.oneof(digest, fc.constantFrom('', ...devices.flatMap(({ blobs }) => blobs))), fc.nat(9))
      .map(([blob, index]) => chunkTopic(blob, index)),
    fc.constantFrom('roost/1/files/x', '$SYS/broker/version', '$CONTROL/x', 'roost', '', '/', 'a/b'),
  )
  const bend = fc.constantFrom<(topic: string) => string>(
    (same) => same,
    (same) => same,
    (same) => `/${same}`,
    (same) => `${same}/`,
    (same) => same.toUpperCase(),
    (same) => same.replace(/\/\d+\//, '/256/'),
    (same) => same.replace(/[^/]+$/, 'other'),
    (same) => same.replace('/1/', '/2/'),
  )
  return fc.tuple(topic, bend).map(([one, bent]) => bent(one))
}

describe('the access file', () => {
  test('lets each device say and hear what the embedded broker does, and nothing else', () => {
    fc.assert(
      fc.property(
        fleet.chain((admitted) =>
          fc.tuple(fc.constant(admitted), fc.array(topicOf(admitted), { minLength: 20, maxLength: 40 })),
        ),
        ([admitted, topics]) => {
          const may = reader(accessFiles(admitted, 'x').acl)
          const wrong: string[] = []
          for (const { device, blobs } of admitted) {
            const filters = [downFilter(device), ...blobs.map(chunkFilter)]
            for (const filter of filters) if (judgeFilter(device, filter) === undefined) wrong.push(filter)
            for (const topic of topics) {
              const says = 'kind' in judgePublish(device, { topic, payload: '' })
              const own = rightShard(topic, device)
              const passedOver = own !== topic && 'kind' in judgePublish(device, { topic: own, payload: '' })
              if (may(device, 'write', topic) !== (says || passedOver)) wrong.push(`${device} says ${topic}`)
              // It hears what comes through a filter that it may have. The hub says nothing else on these, and nothing
              // under another shard.
              const isDown = downKinds.some((kind) => own === downTopic(device, kind))
              const isChunk = topic.startsWith('roost/1/c/') && filters.some((filter) => matches(filter, topic))
              if (may(device, 'read', topic) !== (isDown || isChunk)) wrong.push(`${device} hears ${topic}`)
            }
          }
          expect(wrong).toEqual([])
        },
      ),
      { seed: 5, numRuns: 60 },
    )
  })

  test('lets the hub hear every device and speak to each, and nobody who is not named anything', () => {
    const { acl, fingerprint } = accessFiles([{ device: 'd-1', password: 'x', blobs: [] }], 'x')
    const may = reader(acl)
    for (const kind of upKinds) expect(may(hubUser, 'read', upTopic('d-2', kind))).toBe(true)
    for (const kind of downKinds) expect(may(hubUser, 'write', downTopic('d-2', kind))).toBe(true)
    expect(may(hubUser, 'write', chunkTopic('a'.repeat(64), 1))).toBe(true)
    expect(may(hubUser, 'write', upTopic('d-1', 'hello'))).toBe(false)
    expect([`roost/1/files/${fingerprint}`, 'roost/1/files/other'].map((topic) => may(hubUser, 'read', topic))).toEqual(
      [true, false],
    )
    expect(may('stranger', 'read', downTopic('d-1', 'assign'))).toBe(false)
    expect(DeviceId.safeParse(hubUser).success, 'no device can be called so').toBe(false)
  })

  test('is the same for the same fleet in any order, and another as soon as anything is', () => {
    fc.assert(
      fc.property(fleet, digest, (admitted, blob) => {
        const files = accessFiles(admitted, 'x')
        expect(accessFiles(admitted.toReversed(), 'x')).toEqual(files)
        const [first, ...others] = admitted
        if (first === undefined) return
        const variants: Admitted[][] = [
          others,
          [{ ...first, password: 'other' }, ...others],
          [{ ...first, blobs: first.blobs.includes(blob) ? [] : [...first.blobs, blob] }, ...others],
        ]
        for (const variant of variants) expect(accessFiles(variant, 'x').fingerprint).not.toBe(files.fingerprint)
        expect(accessFiles(admitted, 'y').fingerprint).not.toBe(files.fingerprint)
      }),
      { seed: 6, numRuns: 100 },
    )
  })
})

/** As Mosquitto checks it. */
function opens(hash: string, secret: string): boolean {
  const [, type, iterations = '', salt = '', hashed = ''] = hash.split('$')
  if (type !== '7' || Buffer.from(salt, 'base64').length !== 12) return false
  return pbkdf2Sync(secret, Buffer.from(salt, 'base64'), Number(iterations), 64, 'sha512').toString('base64') === hashed
}

test('the broker is signalled by the number in its file, and nobody where that names no process: 0 is a whole group', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roost-access-'))
  const kill = vi.spyOn(process, 'kill').mockReturnValue(true)
  onTestFinished(async () => {
    kill.mockRestore()
    await rm(folder, { recursive: true })
  })
  const pidFile = join(folder, 'pid')
  for (const text of ['0', '-1', '-4711', '', 'none', '4711\n']) {
    await writeFile(pidFile, text)
    const access = await keepAccess({
      folder,
      pidFile,
      hubPassword: 'x',
      read: async () => [],
      confirm: async () => true,
      log: silent,
    })
    await access.settled()
    await access.close()
  }
  expect(kill.mock.calls).toEqual([[4711, 'SIGHUP']])
})

test('a hash opens to its secret, and to no other', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 1, maxLength: 60 }), fc.string({ maxLength: 60 }), (secret, other) => {
      const hash = passwordHash(secret, random)
      expect(hash).toMatch(/^\$7\$1\$[A-Za-z0-9+/]{16}\$[A-Za-z0-9+/]{86}==$/)
      expect([opens(hash, secret), opens(hash, other)]).toEqual([true, secret === other])
      expect(passwordHash(secret, random)).not.toBe(hash)
    }),
    { seed: 7, numRuns: 100 },
  )
})

describe('who is let in', () => {
  test('is who the hub itself would let in, by the secrets it would take, and reads the blobs it would give', async () => {
    const hub = await aFleetHub()
    const names = Array.from({ length: 5 }, (_, i) => `d-${i}`)
    const enrolled = await someDevices(hub, names)
    const releases = [
      await aRelease(hub, 'one', Buffer.from('1')),
      await aRelease(hub, 'two', Buffer.from('2')),
      await aRelease(hub, 'three', Buffer.from('3')),
    ]
    const patch = 'e'.repeat(64)
    const [first, second] = releases
    if (first === undefined || second === undefined) throw new Error('no releases')
    await hub.database.write([
      {
        sql: 'INSERT INTO deltas (base, target, patch, size_bytes, chunks, made_at, offered_at) VALUES (?, ?, ?, 1, ?, 1, 1)',
        args: [first.blob, second.blob, patch, ''],
      },
    ])
    const wishes = names.flatMap((name, i) =>
      releases
        .slice(0, i % 4)
        .map(({ manifest }, place) => ({ device: name, deployment: `p-${place}`, manifest, by: 'test' })),
    )
    await storeWishes(hub.database, wishes, 1)
    await hub.database.write([revokeDevice('d-3', 1)])

    const admitted = await admittedDevices(hub.database)
    expect(admitted.map(({ device }) => device)).toEqual(['d-0', 'd-1', 'd-2', 'd-4'])
    for (const { device, blobs, password } of admitted) {
      for (const blob of [...releases.map((release) => release.blob), patch, 'f'.repeat(64)]) {
        expect(blobs.includes(blob), `${device} ${blob}`).toBe(await mayReadBlob(hub, device, blob))
      }
      for (const { secret } of enrolled) {
        expect(opens(password, secret), device).toBe(await authenticateDevice(hub, device, secret))
      }
    }
    expect(admitted.flatMap(({ blobs }) => blobs)).toContain(patch)
  })

  test('takes a device’s next secret as soon as the hub has seen it used, and not before', async () => {
    const hub = await aFleetHub()
    const [enrolled] = await someDevices(hub, ['d-1'])
    const old = enrolled?.secret ?? ''
    const next = (await rotateSecret(hub, 'd-1')) ?? ''
    const taken = async () => {
      const [admitted] = await admittedDevices(hub.database)
      return [old, next].map((secret) => opens(admitted?.password ?? '', secret))
    }
    expect(await taken()).toEqual([true, false])
    expect(await authenticateDevice(hub, 'd-1', next)).toBe(true)
    expect(await taken()).toEqual([false, true])
  })
})
