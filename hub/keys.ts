// The hub's keys, made at first start in <data folder>/keys: root, release and assignment (PEM, 0600) and the root
// that names them (1.root.json), and what locks sealed bundles (seal.key). Only the assignment key must stay; where the release key is gone the hub signs no model.

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { decodePrivateKey, encodePrivateKey, generateKeyPair, type KeyPair } from '@roost/shared/trust/keys.ts'
import { isExpired, makeRoot, type RoleName, type Root, signRoot, verifyRoot } from '@roost/shared/trust/root.ts'
import type { Logger } from 'pino'
import type { Clock, Random } from './hub.ts'
import { unlessMissing, writeDurably } from './storage/files.ts'

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

const keyFile = (folder: string, role: RoleName): string => join(folder, `${role}.pem`)
const rootFile = (folder: string, version: number): string => join(folder, `${version}.root.json`)
