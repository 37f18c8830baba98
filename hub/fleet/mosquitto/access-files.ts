// The two files that tell Mosquitto who may come in and what each may say and hear (mosquitto.conf(5): password_file,
// acl_file). Pure: rows in, text out. Who may do what is told by topic-access.ts, for this and the embedded broker.

import { createHash } from 'node:crypto'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { chunkFilter } from '@roost/shared/protocol/topics.ts'
import { topicsOf } from '../topic-access.ts'

/** A device that may come in: the hash of its secret (password.ts) and the blobs it may read. */
export type Admitted = { device: string; password: string; blobs: readonly Digest[] }

export type AccessFiles = {
  passwords: string
  acl: string
  /** Of both: the hub may say and hear `filesTopic` of it, and thereby learns which files the broker has read. */
  fingerprint: string
}

/** With an underscore, which no device's id has. */
export const hubUser = 'roost_hub'
export const upFilter = 'roost/1/s/+/d/+/up/+'
export const filesFilter = 'roost/1/files/+'
export const filesTopic = (fingerprint: string): string => `roost/1/files/${fingerprint}`

/** @param hubPassword hash of the password by which the hub comes in */
export function accessFiles(admitted: readonly Admitted[], hubPassword: string): AccessFiles {
  const devices = admitted.toSorted((a, b) => (a.device < b.device ? -1 : 1))
  const passwords = lines([
    `${hubUser}:${hubPassword}`,
    ...devices.map(({ device, password }) => `${device}:${password}`),
  ])
  const entries = lines(devices.flatMap(entryOf))
  const fingerprint = createHash('sha256').update(passwords).update('\0').update(entries).digest('hex').slice(0, 32)
  const common = [
    '# Written by the hub, and written over: change nothing here.',
    ...ownTopics,
    `user ${hubUser}`,
    `topic read ${upFilter}`,
    'topic write roost/1/s/+/d/+/down/+',
    'topic write roost/1/c/+/+',
    `topic readwrite ${filesTopic(fingerprint)}`,
  ]
  return { passwords, acl: `${lines(common)}${entries}`, fingerprint }
}

/** For every device at once, since Mosquitto looks for a user from the start of its list for each line of theirs; `%u` is
 *  the user, which a device's id is. No pattern can say a device's shard: under another one a device can say what the hub
 *  passes over, and hears nothing, for nothing is said there. */
const ownTopics = (() => {
  const anyShard = (topic: string) => topic.replace(/\/s\/\d+\//, '/s/+/')
  const { says, hears } = topicsOf('%u', [])
  return [
    ...says.map((topic) => `pattern write ${anyShard(topic)}`),
    ...hears.map((topic) => `pattern read ${anyShard(topic)}`),
  ]
})()

const entryOf = ({ device, blobs }: Admitted): string[] =>
  blobs.length === 0 ? [] : [`user ${device}`, ...blobs.map((blob) => `topic read ${chunkFilter(blob)}`)]

const lines = (all: readonly string[]): string => all.map((line) => `${line}\n`).join('')
