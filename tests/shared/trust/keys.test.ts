// Keys: their files, their names, and those that must never be trusted.

import { execFileSync } from 'node:child_process'
import { generateKeyPairSync } from 'node:crypto'
import {
  decodePrivateKey,
  decodePublicKey,
  encodePrivateKey,
  encodePublicKey,
  generateKeyPair,
  keyIdOf,
  publicKeyObject,
} from '@roost/shared/trust/keys.ts'
import nacl from 'tweetnacl'
import { describe, expect, test } from 'vitest'
import { aKeyPair, outcomeOf } from './builders.ts'
import { smallOrderEncodings } from './curve.ts'

describe('key files', () => {
  test('a key survives its PEM file, and a private file gives the public half too', () => {
    const pair = aKeyPair('a')
    expect(decodePrivateKey(encodePrivateKey(pair))).toEqual(pair)
    expect(Buffer.from(decodePublicKey(encodePublicKey(pair.publicKey))).equals(pair.publicKey)).toBe(true)
    expect(keyIdOf(decodePublicKey(encodePrivateKey(pair)))).toBe(pair.keyid)
  })

  test('a key made by openssl is read', () => {
    const pem = execFileSync('openssl', ['genpkey', '-algorithm', 'ed25519']).toString()
    expect(encodePrivateKey(decodePrivateKey(pem))).toBe(pem)
  })

  test.each([
    ['an RSA key', () => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey],
    ['an X25519 key', () => generateKeyPairSync('x25519').privateKey],
  ])('%s is refused', (_, make) => {
    const pem = make().export({ format: 'pem', type: 'pkcs8' }).toString()
    expect(outcomeOf(() => decodePrivateKey(pem))).toBe('key')
    expect(outcomeOf(() => decodePublicKey(pem))).toBe('key')
  })

  test('what is no key is refused', () => {
    expect(outcomeOf(() => decodePrivateKey('no key'))).toBe('key')
    expect(outcomeOf(() => decodePublicKey(encodePublicKey(aKeyPair('a').publicKey).slice(0, 40)))).toBe('key')
    expect(outcomeOf(() => publicKeyObject(new Uint8Array(31)))).toBe('key')
  })

  test('a key pair is made of the random bytes it is given', () => {
    const sizes: number[] = []
    const random = (sizeBytes: number) => {
      sizes.push(sizeBytes)
      return new Uint8Array(sizeBytes).fill(5)
    }
    expect(generateKeyPair(random)).toEqual(generateKeyPair(random))
    expect(sizes).toEqual([32, 32])
  })
})

describe('points of small order', () => {
  const message = Buffer.from('nobody signed this')
  // R = the neutral element, S = 0: holds under the neutral element as a key, for every message.
  const neutral = Buffer.concat([Buffer.from([1]), Buffer.alloc(31)])
  const trivialSignature = Buffer.concat([neutral, Buffer.alloc(32)])

  test('the trap is real: tweetnacl verifies a signature nobody made', () => {
    expect(nacl.sign.detached.verify(message, trivialSignature, neutral)).toBe(true)
  })

  test('all eight points are refused, in each of their encodings', () => {
    const encodings = smallOrderEncodings()
    expect(encodings.points).toBe(8)
    for (const raw of encodings.all)
      expect(
        outcomeOf(() => publicKeyObject(raw)),
        raw.toString('hex'),
      ).toBe('key')
  })

  test('a second name of a healthy point is refused: y + p still fits 255 bits for small y', () => {
    const prime = 2n ** 255n - 19n
    for (const small of [2n, 3n, 4n, 9n, 18n]) {
      const raw = Buffer.from((small + prime).toString(16).padStart(64, '0'), 'hex').reverse()
      expect(outcomeOf(() => publicKeyObject(raw))).toBe('key')
    }
  })
})
