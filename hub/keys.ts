// The hub's keys, made at first start in <data folder>/keys: root, release and assignment (PEM, 0600) and the root
// that names them (1.root.json), and what locks sealed bundles (seal.key). Only the assignment key must stay; where the release key is gone the hub signs no model.

import { mkdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { decodeEnvelope, payloadTypes } from '@roost/shared/trust/envelope.ts'
import { decodePrivateKey, encodePrivateKey, generateKeyPair, type KeyPair } from '@roost/shared/trust/keys.ts'
import {
  isExpired,
  makeRoot,
  parseRoot,
  type RoleName,
  type Root,
  signRoot,
  verifyRoot,
} from '@roost/shared/trust/root.ts'
import type { Logger } from 'pino'
import type { Clock, Random } from './hub.ts'
import { syncFolder, unlessMissing, writeDurably } from './storage/files.ts'

/** One object for as long as the hub runs: a new root (trust/next-root.ts) changes what is in it, so nobody keeps a part
 *  of it. */
export type HubKeys = {
  /** The envelopes of every root, oldest first; the first is version 1. */
  roots: readonly Uint8Array[]
  /** The newest of them, verified. */
  root: Root
  assignment: KeyPair
  /** Undefined where the release key was moved elsewhere. */
  release: KeyPair | undefined
  /** 32 bytes that lock the content keys of sealed bundles in the database. Without it no sealed bundle can be assigned
   *  or evaluated any more: it belongs to a backup, apart from the database's. */
  seal: Uint8Array
}

export class KeysError extends Error {
  override readonly name = 'KeysError'
}

/** The root made at first start; a fleet that lives longer rotates it before. */
export const rootLifetimeMs = 10 * 365 * 86_400_000

/** Opens the keys in `folder`, or makes them where there is no root yet (a first start that was cut short starts anew:
 *  nobody can have pinned a root that was not written).
 *  @throws KeysError; TrustError where a file is damaged or the roots do not follow each other */
export async function openKeys(folder: string, random: Random, clock: Clock, log: Logger): Promise<HubKeys> {
  await mkdir(folder, { recursive: true, mode: 0o700 })
  if ((await readRoot(folder, 1)) === undefined) await makeKeys(folder, random, clock, log)
  const { roots, root } = await readRoots(folder)
  if (isExpired(root, clock())) log.warn({ expires: root.expires }, 'the root has expired: devices refuse new installs')
  await settleKeyFiles(folder, root, roots, log)
  const assignment = await readKey(folder, 'assignment', root)
  if (assignment === undefined) throw new KeysError(`${keyFile(folder, 'assignment')} is missing: no hub without it`)
  return {
    roots,
    root,
    assignment,
    release: await readKey(folder, 'release', root),
    seal: await openSealKey(folder, random),
  }
}

const sealKeyBytes = 32

/** Made where there is none.
 *  @throws KeysError where the file holds something else */
async function openSealKey(folder: string, random: Random): Promise<Uint8Array> {
  const path = join(folder, 'seal.key')
  const found = await unlessMissing(readFile(path, 'utf8'), undefined)
  const key = found === undefined ? random(sealKeyBytes) : new Uint8Array(Buffer.from(found, 'base64'))
  if (key.length !== sealKeyBytes) throw new KeysError(`${path} is damaged: it holds ${sealKeyBytes} bytes, base64`)
  if (found === undefined) await writeDurably(path, `${Buffer.from(key).toString('base64')}\n`)
  return key
}

async function makeKeys(folder: string, random: Random, clock: Clock, log: Logger): Promise<void> {
  const pairs = { root: generateKeyPair(random), release: generateKeyPair(random), assignment: generateKeyPair(random) }
  const alone = ({ publicKey }: KeyPair) => ({ publicKeys: [publicKey], threshold: 1 })
  const root = makeRoot({
    version: 1,
    expires: new Date(clock() + rootLifetimeMs),
    roles: { root: alone(pairs.root), release: alone(pairs.release), assignment: alone(pairs.assignment) },
  })
  await writeDurably(keyFile(folder, 'root'), encodePrivateKey(pairs.root))
  await writeDurably(keyFile(folder, 'release'), encodePrivateKey(pairs.release))
  await writeDurably(keyFile(folder, 'assignment'), encodePrivateKey(pairs.assignment))
  // last: with it the keys are in force
  await writeDurably(rootFile(folder, 1), signRoot(root, [pairs.root]), 0o644)
  log.info({ folder }, 'made root, release and assignment keys')
  log.info(`move ${keyFile(folder, 'root')} to a safe offline place: it is needed only to change keys`)
  log.info(
    `move ${keyFile(folder, 'release')} to your CI or your release manager to sign there (roost sign): this hub then signs no model itself`,
  )
}

/** The roots in `folder`, each verified against the one before.
 *  @throws KeysError, TrustError */
export async function readRoots(folder: string): Promise<{ roots: Uint8Array[]; root: Root }> {
  const roots: Uint8Array[] = []
  let root: Root | undefined
  for (;;) {
    const bytes = await readRoot(folder, roots.length + 1)
    if (bytes === undefined) break
    root = verifyRoot(bytes, root)
    roots.push(bytes)
  }
  if (root === undefined) throw new KeysError(`${rootFile(folder, 1)} is missing`)
  return { roots, root }
}

async function readRoot(folder: string, version: number): Promise<Uint8Array | undefined> {
  return unlessMissing(readFile(rootFile(folder, version)), undefined)
}

/** Undefined where the file is not there.
 *  @throws KeysError where the root does not name it; TrustError where it is damaged */
export async function readKey(folder: string, role: RoleName, root: Root): Promise<KeyPair | undefined> {
  const pem = await unlessMissing(readFile(keyFile(folder, role), 'utf8'), undefined)
  if (pem === undefined) return undefined
  const pair = decodePrivateKey(pem)
  if (!root.roles[role].keyids.includes(pair.keyid)) {
    throw new KeysError(`${keyFile(folder, role)} is not a key that root version ${root.version} names for ${role}`)
  }
  return pair
}

/** Brings the key files into line with the newest root: the next assignment key becomes the one in use when a root names
 *  it, and a release key that is named no longer is put aside. Done again at every start, since a kill may have cut it short. */
export async function settleKeyFiles(
  folder: string,
  root: Root,
  roots: readonly Uint8Array[],
  log: Logger,
): Promise<void> {
  const next = await readPair(nextAssignmentFile(folder))
  if (next !== undefined && root.roles.assignment.keyids.includes(next.keyid)) {
    await rename(nextAssignmentFile(folder), keyFile(folder, 'assignment'))
    await syncFolder(folder)
    log.info({ keyid: next.keyid, root: root.version }, 'the next assignment key is in use')
  }
  const release = await readPair(keyFile(folder, 'release'))
  if (release === undefined || root.roles.release.keyids.includes(release.keyid)) return
  if (!wasNamed(roots, 'release', release.keyid)) return
  const aside = join(folder, `release.${release.keyid.slice(0, 8)}.retired.pem`)
  await rename(keyFile(folder, 'release'), aside)
  await syncFolder(folder)
  log.warn({ file: aside, root: root.version }, 'the release key here is retired: remove the file, or keep it offline')
}

/** Whether a root of the chain names it: a key of nobody's is a mistake, and is said at the start. */
const wasNamed = (roots: readonly Uint8Array[], role: RoleName, keyid: string): boolean =>
  roots.some((envelope) =>
    parseRoot(decodeEnvelope(envelope, payloadTypes.root).payload).roles[role].keyids.includes(keyid),
  )

async function readPair(path: string): Promise<KeyPair | undefined> {
  const pem = await unlessMissing(readFile(path, 'utf8'), undefined)
  return pem === undefined ? undefined : decodePrivateKey(pem)
}

export const keyFile = (folder: string, role: RoleName): string => join(folder, `${role}.pem`)
/** Made ahead of the root that will name it, so that its private part never is anywhere else. */
export const nextAssignmentFile = (folder: string): string => join(folder, 'assignment-next.pem')
export const rootFile = (folder: string, version: number): string => join(folder, `${version}.root.json`)
