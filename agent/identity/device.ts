// Who this device is: identity/device.json and its two private keys, made at enrolment. The keys never leave the device.

import { createPrivateKey, createPublicKey } from 'node:crypto'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Profile } from '@roost/shared/profiles/profile.ts'
import { DeviceId } from '@roost/shared/protocol/names.ts'
import { decodePrivateKey, encodePrivateKey, generateKeyPair, type KeyPair } from '@roost/shared/trust/keys.ts'
import { z } from 'zod'
import { isMissing, replaceFile } from '../durable-file.ts'

export const Identity = z.object({
  formatVersion: z.literal(1),
  device: DeviceId,
  /** For MQTT and HTTP; never logged. */
  secret: z.string().min(1),
  hubUrl: z.url(),
  mqttUrl: z.url(),
  profile: Profile,
  /** PEM of the authority that signed the hub's certificate, where it is not a public one. */
  certificateAuthority: z.string().optional(),
  /** The same for the broker's, where the hub named one: else its is the hub's. */
  mqttAuthority: z.string().optional(),
})
export type Identity = z.infer<typeof Identity>

/** PEM of who may have signed the broker's certificate; undefined: authorities that are publicly known. */
export const brokerAuthority = ({ certificateAuthority, mqttAuthority }: Identity): string | undefined =>
  mqttAuthority ?? certificateAuthority

export class IdentityError extends Error {
  override readonly name = 'IdentityError'
}

export const identityFolder = (folder: string) => join(folder, 'identity')
const identityPath = (folder: string) => join(identityFolder(folder), 'device.json')

/** Undefined on a device that has not enrolled.
 *  @throws IdentityError where the file is damaged */
export async function loadIdentity(folder: string): Promise<Identity | undefined> {
  const text = await readText(identityPath(folder))
  if (text === undefined) return undefined
  try {
    return Identity.parse(JSON.parse(text))
  } catch (error) {
    const path = identityPath(folder)
    const damaged = `${path} is damaged${issueOf(error)}`
    throw new IdentityError(`${damaged}: remove it and enrol this device again`, { cause: error })
  }
}

/** Of a schema only: what a parser of JSON says has parts of the text, and with it of the secret. */
function issueOf(error: unknown): string {
  const [issue] = error instanceof z.ZodError ? error.issues : []
  return issue === undefined ? '' : ` (${issue.path.join('.')}: ${issue.message})`
}

/** Durable when it resolves. */
export async function saveIdentity(folder: string, identity: Identity): Promise<void> {
  await replaceFile(identityPath(folder), Buffer.from(JSON.stringify(identity, null, 1)))
}

/** `sealPublicKey`: X25519, 32 raw bytes. */
export type DeviceKeys = { sign: KeyPair; sealPublicKey: Uint8Array }

/** The keys of this device: those that are there, else new ones, durable. Kept when an enrolment fails, so that one whose
 *  answer was lost can be repeated.
 *  @throws TrustError, the file system's error */
export async function openDeviceKeys(folder: string, random: (size: number) => Uint8Array): Promise<DeviceKeys> {
  const keys = identityFolder(folder)
  await mkdir(keys, { recursive: true, mode: 0o700 })
  const sign = await readOrMake(join(keys, 'sign.pem'), () => encodePrivateKey(generateKeyPair(random)))
  const seal = await readOrMake(join(keys, 'seal.pem'), () => encodeSealKey(random(32)))
  return { sign: decodePrivateKey(sign), sealPublicKey: sealPublicKey(seal) }
}

/** The private half that opens the boxes of sealed bundles: X25519, 32 raw bytes; never logged. Undefined where it is
 *  missing or damaged: what is not sealed runs all the same. */
export async function readSealSecret(folder: string): Promise<Uint8Array | undefined> {
  const pem = await readText(join(identityFolder(folder), 'seal.pem'))
  if (pem === undefined) return undefined
  try {
    const der = createPrivateKey(pem).export({ format: 'der', type: 'pkcs8' })
    return Uint8Array.from(der.subarray(der.length - 32))
  } catch {
    return undefined
  }
}

async function readOrMake(path: string, make: () => string): Promise<string> {
  const found = await readText(path)
  if (found !== undefined) return found
  const made = make()
  await replaceFile(path, Buffer.from(made))
  return made
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

// DER in front of the 32 raw bytes of an X25519 private key: RFC 8410, section 7.
const pkcs8Prefix = Buffer.from('302e020100300506032b656e04220420', 'hex')

function encodeSealKey(raw: Uint8Array): string {
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, raw]), format: 'der', type: 'pkcs8' })
  return key.export({ format: 'pem', type: 'pkcs8' }).toString()
}

function sealPublicKey(pem: string): Uint8Array {
  const der = createPublicKey(pem).export({ format: 'der', type: 'spki' })
  return der.subarray(der.length - 32)
}
