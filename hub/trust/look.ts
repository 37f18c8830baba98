// What is to be told of the keys of this hub, looked up in its folder and its database.

import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { decodePrivateKey, encodePublicKey } from '@roost/shared/trust/keys.ts'
import { isExpired, type RoleName } from '@roost/shared/trust/root.ts'
import { z } from 'zod'
import { headKeyFile, readHeadFile } from '../governance/audit-head.ts'
import type { Hub } from '../hub.ts'
import { keyFile, nextAssignmentFile, rootFile } from '../keys.ts'
import type { Reader } from '../storage/database.ts'
import { unlessMissing } from '../storage/files.ts'
import type { KeyDocument, KeysDocument } from './documents.ts'
import { type ChainedRoot, isoTime, keysOfChain, readChained } from './known-keys.ts'

type Parts = Pick<Hub, 'config' | 'database' | 'keys' | 'clock'>

export const keysFolder = ({ config }: Pick<Hub, 'config'>): string => join(config.dataDir, 'keys')

export async function lookAtKeys(hub: Parts): Promise<KeysDocument> {
  const { database, keys, clock } = hub
  const folder = keysFolder(hub)
  const chain = await chainOf(hub)
  const here = new Set([keys.assignment.keyid, keys.release?.keyid ?? '', await heldId(keyFile(folder, 'root'))])
  const named = keysOfChain(chain, here, await manifestsByKey(database))
  const next = await nextAssignment(hub)
  const own = [await auditKey(folder), await sealKey(hub)]
  const { version, expires, roles } = keys.root
  const threshold = (role: RoleName) => ({ threshold: roles[role].threshold, keys: roles[role].keyids.length })
  return {
    root: {
      version,
      expires,
      expired: isExpired(keys.root, clock()),
      roles: { root: threshold('root'), release: threshold('release'), assignment: threshold('assignment') },
    },
    keys: [...named, ...(next === undefined ? [] : [next]), ...own],
    devices: await database.all(
      z.object({ rootVersion: z.number().nullable(), devices: z.number() }),
      `SELECT root_version AS rootVersion, count(*) AS devices FROM devices WHERE revoked_at IS NULL
       GROUP BY root_version ORDER BY root_version IS NULL, root_version DESC`,
    ),
  }
}

/** The assignment key that the next root may name; undefined where none was made. */
export async function nextAssignment(hub: Pick<Hub, 'config' | 'database'>): Promise<KeyDocument | undefined> {
  const path = nextAssignmentFile(keysFolder(hub))
  const pem = await unlessMissing(readFile(path, 'utf8'), undefined)
  if (pem === undefined) return undefined
  const pair = ofPair(pem)
  const since = isoTime(await recordedMs(hub.database, `key:${pair.id}`)) ?? (await timeOf(path))
  return { ...pair, purpose: 'assignment', state: 'next', since, signed: null }
}

async function auditKey(folder: string): Promise<KeyDocument> {
  const path = headKeyFile(folder)
  const [pem, head] = [await readFile(path, 'utf8'), await readHeadFile(folder)]
  return {
    ...ofPair(pem),
    purpose: 'audit',
    state: 'in-use',
    since: await timeOf(path),
    signed: { count: typeof head === 'string' ? 0 : head.seq, what: 'rows' },
  }
}

async function sealKey(hub: Parts): Promise<KeyDocument> {
  const sealed = await hub.database.first(z.object({ count: z.number() }), 'SELECT count(*) AS count FROM sealed_keys')
  return {
    ...kept,
    purpose: 'seal',
    id: null,
    algorithm: 'chacha20-poly1305',
    publicKey: null,
    state: 'in-use',
    since: await timeOf(join(keysFolder(hub), 'seal.key')),
    signed: { count: sealed?.count ?? 0, what: 'bundles' },
  }
}

/** Of a key that no root names. */
const kept = { here: true, until: null, expires: null, roots: null } as const

function ofPair(pem: string): Omit<KeyDocument, 'purpose' | 'state' | 'since' | 'signed'> {
  const { keyid, publicKey } = decodePrivateKey(pem)
  return { ...kept, id: keyid, algorithm: 'ed25519', publicKey: encodePublicKey(publicKey) }
}

async function heldId(path: string): Promise<string> {
  const pem = await unlessMissing(readFile(path, 'utf8'), undefined)
  return pem === undefined ? '' : decodePrivateKey(pem).keyid
}

const timeOf = async (path: string): Promise<string | null> =>
  isoTime((await unlessMissing(stat(path), undefined))?.mtimeMs)

const At = z.object({ at: z.number() })

/** When the log first tells of it: a copy or a restore makes a file young, and leaves that as it is. */
const recordedMs = async (reader: Reader, subject: string): Promise<number | undefined> =>
  (await reader.first(At, 'SELECT at FROM audit_log WHERE subject = ? ORDER BY seq LIMIT 1', [subject]))?.at

/** Each root, read again: it is asked for seldom, and has few links. The first has no entry of its own in the log, and was
 *  there before the log began. */
async function chainOf({ config, database, keys }: Pick<Hub, 'config' | 'database' | 'keys'>): Promise<ChainedRoot[]> {
  const begun = await database.first(At, 'SELECT at FROM audit_log ORDER BY seq LIMIT 1')
  const chain: ChainedRoot[] = []
  for (const [n, envelope] of keys.roots.entries()) {
    const version = n + 1
    const written = await unlessMissing(stat(rootFile(keysFolder({ config }), version)), undefined)
    const fileMs = Math.round(written?.mtimeMs ?? 0)
    const recorded = await recordedMs(database, `root:${version}`)
    const atMs = recorded ?? (version === 1 ? Math.min(fileMs, begun?.at ?? fileMs) : fileMs)
    chain.push(readChained(envelope, atMs, chain.at(-1)))
  }
  return chain
}

/** Manifests by the keys that signed them. An envelope says it itself, and was verified when it came. */
async function manifestsByKey(reader: Reader): Promise<Map<string, number>> {
  const rows = await reader.all(
    z.object({ keyid: z.string(), manifests: z.number() }),
    `SELECT signature.value ->> 'keyid' AS keyid, count(*) AS manifests
     FROM manifests, json_each(CAST(envelope AS TEXT), '$.signatures') AS signature
     WHERE envelope IS NOT NULL GROUP BY 1`,
  )
  return new Map(rows.map(({ keyid, manifests }) => [keyid, manifests]))
}
