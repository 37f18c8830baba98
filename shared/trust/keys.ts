// Ed25519 keys as Roost makes them, writes them down and hands them to node:crypto.
// A key is identified by the sha256 of its raw public half. Private keys are PEM (PKCS #8), as openssl writes them.

import { createHash, createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto'
import { z } from 'zod'
import { TrustError } from './error.ts'

/** sha256 of the 32 raw bytes of the public key, hex. */
export const KeyId = z.string().regex(/^[0-9a-f]{64}$/)
export type KeyId = z.infer<typeof KeyId>

/** The public half: 32 raw bytes, base64. */
export const PublicKey = z.object({ scheme: z.literal('ed25519'), public: z.base64().length(44) })
export type PublicKey = z.infer<typeof PublicKey>

/** `publicKey`: 32 raw bytes. `secretKey`: 64 bytes, seed and public half, as tweetnacl has it; never logged. */
export type KeyPair = { keyid: KeyId; publicKey: Uint8Array; secretKey: Uint8Array }

/** A new key pair out of 32 bytes of `random` (in production `crypto.randomBytes`). */
export function generateKeyPair(random: (sizeBytes: number) => Uint8Array): KeyPair {
  return keyPairFromSeed(random(keyBytes))
}

/** The key pair of a 32-byte seed (RFC 8032 calls it the private key). */
export function keyPairFromSeed(seed: Uint8Array): KeyPair {
  if (seed.length !== keyBytes) throw new TrustError('key', 'a seed is 32 bytes')
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
  const der = createPublicKey(key).export({ format: 'der', type: 'spki' })
  const publicKey = Uint8Array.from(der.subarray(spkiPrefix.length))
  const pair = { keyid: keyIdOf(publicKey), publicKey, secretKey: Uint8Array.from([...seed, ...publicKey]) }
  privateKeys.set(pair, key)
  return pair
}

export const keyIdOf = (publicKey: Uint8Array): KeyId => createHash('sha256').update(publicKey).digest('hex')

/** Both halves as a PEM file (PKCS #8), what `openssl genpkey -algorithm ed25519` writes. */
export function encodePrivateKey(pair: KeyPair): string {
  return privateKeyObject(pair).export({ format: 'pem', type: 'pkcs8' }).toString()
}

/** @throws TrustError `key` unless `pem` is an Ed25519 private key */
export function decodePrivateKey(pem: string): KeyPair {
  const der = readPem(() => createPrivateKey(pem)).export({ format: 'der', type: 'pkcs8' })
  return keyPairFromSeed(der.subarray(der.length - keyBytes))
}

/** The public half as a PEM file (SPKI). */
export const encodePublicKey = (publicKey: Uint8Array): string =>
  publicKeyObject(publicKey).export({ format: 'pem', type: 'spki' }).toString()

/** The 32 raw bytes out of a PEM file; a private key's file gives its public half.
 *  @throws TrustError `key` unless `pem` is an Ed25519 key that may be trusted */
export function decodePublicKey(pem: string): Uint8Array {
  const der = readPem(() => createPublicKey(pem)).export({ format: 'der', type: 'spki' })
  return checkedPublicKey(der.subarray(der.length - keyBytes))
}

/** The private key as node:crypto wants it. Made once for a pair: OpenSSL takes twenty times as long to read a key as
 *  to sign with it. */
export function privateKeyObject(pair: KeyPair): KeyObject {
  const known = privateKeys.get(pair)
  if (known !== undefined) return known
  const seed = pair.secretKey.subarray(0, keyBytes)
  const key = createPrivateKey({ key: Buffer.concat([pkcs8Prefix, seed]), format: 'der', type: 'pkcs8' })
  privateKeys.set(pair, key)
  return key
}

const privateKeys = new WeakMap<KeyPair, KeyObject>()

/** The raw public key as node:crypto wants it.
 *  @throws TrustError `key` if it is not 32 bytes, or one that verifies signatures nobody made */
export function publicKeyObject(publicKey: Uint8Array): KeyObject {
  const raw = checkedPublicKey(publicKey)
  return createPublicKey({ key: Buffer.concat([spkiPrefix, raw]), format: 'der', type: 'spki' })
}

/** Refuses keys under which a signature can be made without a private key: the points of small order, in each of
 *  their encodings, and every other number above the field's prime (a second name of a point).
 *  tweetnacl accepts them, OpenSSL 3.0 did, 3.5.8 does not (tried). List: libsodium's `ge25519_has_small_order`. */
function checkedPublicKey(publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== keyBytes) throw new TrustError('key', 'a public key is 32 bytes')
  const bigEndian = Buffer.from(publicKey).reverse()
  const y = BigInt(`0x${bigEndian.toString('hex')}`) & (2n ** 255n - 1n) // the top bit is the sign of x
  if (y >= prime || smallOrder.has(y)) throw new TrustError('key', 'a weak public key')
  return publicKey
}

const prime = 2n ** 255n - 19n
const yOfOrderEight = 0x05fc536d880238b13933c6d305acdfd5f098eff289f4c345b027b2c28f95e826n
/** y of the eight points whose order divides 8; points that share a y differ in the sign of x. */
const smallOrder: ReadonlySet<bigint> = new Set([0n, 1n, prime - 1n, yOfOrderEight, prime - yOfOrderEight])

/** Of a seed, and of a public key. */
const keyBytes = 32

// DER in front of the 32 raw bytes: RFC 8410, sections 4 and 7.
const spkiPrefix = Buffer.from('302a300506032b6570032100', 'hex')
const pkcs8Prefix = Buffer.from('302e020100300506032b657004220420', 'hex')

function readPem(read: () => KeyObject): KeyObject {
  let key: KeyObject
  try {
    key = read()
  } catch (cause) {
    throw new TrustError('key', 'not a key in PEM form', { cause })
  }
  if (key.asymmetricKeyType !== 'ed25519') throw new TrustError('key', 'not an Ed25519 key')
  return key
}
