// P1, the envelope: nothing is believed that is not signed, by enough different keys of the right role, for this type.

import { createPublicKey, sign, verify } from 'node:crypto'
import { manifestPayload, signManifest, verifyManifest } from '@roost/shared/bundle/manifest.ts'
import { signAssignment, verifyAssignment } from '@roost/shared/trust/assignment.ts'
import {
  decodeEnvelope,
  type Envelope,
  encodeEnvelope,
  envelopeBytesMax,
  type PayloadType,
  payloadTypes,
  preAuthenticationEncoding,
  signEnvelope,
  verifyEnvelope,
} from '@roost/shared/trust/envelope.ts'
import { keyPairFromSeed, privateKeyObject, publicKeyObject } from '@roost/shared/trust/keys.ts'
import { type RoleName, roles, signRoot, verifyRoot } from '@roost/shared/trust/root.ts'
import fc from 'fast-check'
import nacl from 'tweetnacl'
import { describe, expect, test } from 'vitest'
import {
  aKeyPair,
  aManifest,
  aNonce,
  anAssignment,
  aRoot,
  assignmentKey,
  outcomeOf,
  releaseKey,
  rootKey,
} from './builders.ts'
import { groupOrder } from './curve.ts'

const seed = 20_261_124
const root = aRoot()
const expectations = { device: 'd-42', nonce: aNonce, generation: 0, contentDigest: undefined }

/** Accepted at all, and what it then says; both must hold for an attack to have worked. */
function believed(bytes: Uint8Array, type: PayloadType, role: RoleName): string | undefined {
  let payload: Uint8Array | undefined
  const outcome = outcomeOf(() => {
    payload = verifyEnvelope(bytes, type, root, role)
  })
  return outcome === 'accepted' ? Buffer.from(payload ?? []).toString('hex') : undefined
}

describe('changed bytes', () => {
  const payload = manifestPayload(aManifest())
  const envelope = signManifest(payload, [releaseKey])

  test('every flipped bit of an envelope of about 1 KiB is refused', () => {
    expect(envelope.length).toBeGreaterThan(1000)
    const accepted: string[] = []
    for (let bit = 0; bit < envelope.length * 8; bit++) {
      const bytes = Uint8Array.from(envelope)
      bytes[bit >> 3] = (envelope[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      if (believed(bytes, payloadTypes.manifest, 'release') !== undefined) accepted.push(`bit ${bit}`)
    }
    expect(accepted).toEqual([])
    expect(believed(envelope, payloadTypes.manifest, 'release')).toBe(Buffer.from(payload).toString('hex'))
  })

  test('every byte of an envelope set to every other value is refused', () => {
    const small = encodeEnvelope(signEnvelope(payloadTypes.manifest, Buffer.from('{}'), [releaseKey]))
    const accepted: string[] = []
    for (let at = 0; at < small.length; at++) {
      for (let value = 0; value < 256; value++) {
        if (value === small[at]) continue
        const bytes = Uint8Array.from(small)
        bytes[at] = value
        if (believed(bytes, payloadTypes.manifest, 'release') !== undefined) accepted.push(`${at}=${value}`)
      }
    }
    expect(accepted).toEqual([])
  })

  test('cut or lengthened anywhere it is refused, but for white space at the end', () => {
    for (let length = 0; length < envelope.length; length++) {
      expect(believed(envelope.slice(0, length), payloadTypes.manifest, 'release')).toBeUndefined()
    }
    expect(believed(Buffer.concat([envelope, Buffer.from('x')]), payloadTypes.manifest, 'release')).toBeUndefined()
    expect(believed(Buffer.concat([envelope, envelope]), payloadTypes.manifest, 'release')).toBeUndefined()
  })
})

describe('the wrong signer', () => {
  const keys = { root: rootKey, release: releaseKey, assignment: assignmentKey }
  const documents = {
    root: { type: payloadTypes.root, role: 'root', payload: Buffer.from(JSON.stringify(root)) },
    manifest: { type: payloadTypes.manifest, role: 'release', payload: manifestPayload(aManifest()) },
    assignment: {
      type: payloadTypes.assignment,
      role: 'assignment',
      payload: Buffer.from(JSON.stringify(anAssignment())),
    },
  } as const
  const verifiers = {
    root: (bytes: Uint8Array) => verifyRoot(bytes),
    manifest: (bytes: Uint8Array) => verifyManifest(bytes, root),
    assignment: (bytes: Uint8Array) => verifyAssignment(bytes, root, expectations),
  }

  test('of all documents, under all types, by all keys, at all doors only the three right ones pass', () => {
    const passed: string[] = []
    let tried = 0
    for (const [document, { payload }] of Object.entries(documents))
      for (const { type } of Object.values(documents))
        for (const [signer, key] of Object.entries(keys))
          for (const [door, open] of Object.entries(verifiers)) {
            const bytes = encodeEnvelope(signEnvelope(type, payload, [key]))
            tried++
            if (outcomeOf(() => open(bytes)) === 'accepted') passed.push(`${document} ${type} ${signer} ${door}`)
          }
    expect(tried).toBe(81)
    expect(passed).toEqual([
      `root ${payloadTypes.root} root root`,
      `manifest ${payloadTypes.manifest} release manifest`,
      `assignment ${payloadTypes.assignment} assignment assignment`,
    ])
  })

  test('a signature made for one type does not carry over to another that the envelope then claims', () => {
    for (const from of Object.values(documents))
      for (const to of Object.values(documents)) {
        const signed = signEnvelope(from.type, to.payload, [keys[to.role]])
        const relabelled = encodeEnvelope({ ...signed, payloadType: to.type })
        expect(outcomeOf(() => verifyEnvelope(relabelled, to.type, root, to.role))).toBe(
          from.type === to.type ? 'accepted' : 'threshold',
        )
      }
  })

  test('a key that is not in the root counts nothing, whatever name its signature carries', () => {
    const stranger = aKeyPair('stranger')
    for (const keyid of [stranger.keyid, releaseKey.keyid, '', '__proto__', 'constructor', 'toString']) {
      const signed = signEnvelope(payloadTypes.manifest, documents.manifest.payload, [stranger])
      const renamed = { ...signed, signatures: signed.signatures.map(({ sig }) => ({ keyid, sig })) }
      expect(outcomeOf(() => verifyManifest(encodeEnvelope(renamed), root))).toBe('threshold')
    }
  })

  test('strangers beside the right signature do no harm', () => {
    const signers = [aKeyPair('stranger'), releaseKey, assignmentKey]
    expect(outcomeOf(() => verifyManifest(signManifest(documents.manifest.payload, signers), root))).toBe('accepted')
  })
})

describe('a threshold of two', () => {
  const [one, two, three] = [aKeyPair('one'), aKeyPair('two'), aKeyPair('three')]
  const strict = aRoot({ release: { keys: [one, two, three], threshold: 2 } })
  const payload = manifestPayload(aManifest())
  const verdict = (envelope: Envelope) => outcomeOf(() => verifyManifest(encodeEnvelope(envelope), strict))
  const signedBy = (...keys: (typeof one)[]) => signEnvelope(payloadTypes.manifest, payload, keys)

  test('is met by any two different keys', () => {
    for (const pair of [
      [one, two],
      [two, three],
      [three, one],
    ])
      expect(verdict(signedBy(...pair))).toBe('accepted')
  })

  test('is not met by one key, however often and under whatever name it signs', () => {
    const sig = signedBy(one).signatures[0]?.sig ?? new Uint8Array()
    const upperCase = { keyid: one.keyid.toUpperCase(), sig }
    expect(verdict(signedBy(one))).toBe('threshold')
    expect(verdict(signedBy(one, one, one))).toBe('threshold')
    expect(verdict({ ...signedBy(one), signatures: [{ keyid: one.keyid, sig }, upperCase] })).toBe('threshold')
    for (const other of [two, three])
      expect(
        verdict({
          ...signedBy(one),
          signatures: [
            { keyid: one.keyid, sig },
            { keyid: other.keyid, sig },
          ],
        }),
      ).toBe('threshold')
  })

  test('a bad signature under a good name does not use the name up', () => {
    const good = signedBy(one, two)
    const bad = { keyid: one.keyid, sig: new Uint8Array(64) }
    expect(verdict({ ...good, signatures: [bad, ...good.signatures] })).toBe('accepted')
  })
})

describe('malleable signatures', () => {
  /** The same signature with S + L in place of S: other bytes, the same equation modulo L. */
  function malleated(sig: Uint8Array): Uint8Array {
    const s = BigInt(`0x${Buffer.from(sig.slice(32)).reverse().toString('hex')}`) + groupOrder
    return Buffer.concat([sig.slice(0, 32), Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse()])
  }

  test('tweetnacl takes S + L; the envelope does not', () => {
    const payload = manifestPayload(aManifest())
    const signed = signEnvelope(payloadTypes.manifest, payload, [releaseKey])
    const forged = {
      ...signed,
      signatures: signed.signatures.map(({ keyid, sig }) => ({ keyid, sig: malleated(sig) })),
    }
    const message = preAuthenticationEncoding(payloadTypes.manifest, payload)
    const sig = forged.signatures[0]?.sig ?? new Uint8Array()
    expect(nacl.sign.detached.verify(message, sig, releaseKey.publicKey)).toBe(true)
    expect(outcomeOf(() => verifyManifest(encodeEnvelope(forged), root))).toBe('threshold')
  })

  test('it cannot serve as a second signature towards a threshold either', () => {
    const strict = aRoot({ release: { keys: [releaseKey, aKeyPair('two')], threshold: 2 } })
    const signed = signEnvelope(payloadTypes.manifest, manifestPayload(aManifest()), [releaseKey])
    const twice = signed.signatures.flatMap(({ keyid, sig }) => [
      { keyid, sig },
      { keyid, sig: malleated(sig) },
    ])
    expect(outcomeOf(() => verifyManifest(encodeEnvelope({ ...signed, signatures: twice }), strict))).toBe('threshold')
  })
})

describe('tweetnacl against node:crypto', () => {
  test('both make the same bytes, and refuse the same changes', () => {
    const property = fc.property(
      fc.uint8Array({ minLength: 32, maxLength: 32 }),
      fc.uint8Array({ maxLength: 300 }),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      (keySeed, message, position, mask) => {
        const { publicKey, secretKey } = nacl.sign.keyPair.fromSeed(keySeed)
        const sig = nacl.sign.detached(message, secretKey)
        expect(keyPairFromSeed(keySeed)).toMatchObject({ publicKey, secretKey })
        const key = publicKeyObject(publicKey)
        expect(verify(null, message, key, sig)).toBe(true)
        expect(sign(null, message, privateKeyObject(keyPairFromSeed(keySeed)))).toEqual(Buffer.from(sig))
        const changed = Uint8Array.from(sig)
        changed[position % 64] = (sig[position % 64] ?? 0) ^ mask
        const node = verify(null, message, key, changed)
        expect(node).toBe(false)
        expect(nacl.sign.detached.verify(message, changed, publicKey)).toBe(node)
      },
    )
    fc.assert(property, { seed, numRuns: 150 })
  })

  test('a seed of another length makes no key', () => {
    for (const size of [0, 31, 33, 64])
      expect(() => keyPairFromSeed(new Uint8Array(size)), `${size}`).toThrow('32 bytes')
  })

  test('node:crypto reads our keys as its own', () => {
    const jwk = { kty: 'OKP', crv: 'Ed25519', x: Buffer.from(releaseKey.publicKey).toString('base64url') }
    expect(publicKeyObject(releaseKey.publicKey).equals(createPublicKey({ key: jwk, format: 'jwk' }))).toBe(true)
  })
})

describe('the pre-authentication encoding', () => {
  test('is the one of the DSSE specification', () => {
    const encoded = preAuthenticationEncoding('http://example.com/HelloWorld', Buffer.from('hello world'))
    expect(Buffer.from(encoded).toString()).toBe('DSSEv1 29 http://example.com/HelloWorld 11 hello world')
  })

  test('counts bytes, not characters, and is never the same for two different documents', () => {
    expect(Buffer.from(preAuthenticationEncoding('ü', Buffer.from('€'))).toString()).toBe('DSSEv1 2 ü 3 €')
    const text = fc.string({ maxLength: 12 })
    const property = fc.property(text, text, text, text, (typeA, bodyA, typeB, bodyB) => {
      const a = Buffer.from(preAuthenticationEncoding(typeA, Buffer.from(bodyA)))
      const b = Buffer.from(preAuthenticationEncoding(typeB, Buffer.from(bodyB)))
      expect(a.equals(b)).toBe(typeA === typeB && bodyA === bodyB)
    })
    fc.assert(property, { seed, numRuns: 2000 })
  })
})

describe('bounds', () => {
  test('an envelope beyond its size is refused before it is parsed', () => {
    for (const type of Object.values(payloadTypes)) {
      const tooLong = Buffer.alloc(envelopeBytesMax[type] + 1, '[')
      expect(outcomeOf(() => decodeEnvelope(tooLong, type))).toBe('too-large')
      expect(outcomeOf(() => decodeEnvelope(tooLong.subarray(1), type))).toBe('malformed')
    }
  })

  test('more signatures than a root could name are refused unverified', () => {
    const signed = signEnvelope(payloadTypes.manifest, Buffer.from('{}'), [releaseKey])
    const many = Array.from({ length: 65 }, () => signed.signatures).flat()
    expect(outcomeOf(() => verifyManifest(encodeEnvelope({ ...signed, signatures: many }), root))).toBe('malformed')
  })

  test('what is encoded decodes to the same', () => {
    const signed = signEnvelope(payloadTypes.assignment, Buffer.from('payload'), [assignmentKey, releaseKey])
    const decoded = decodeEnvelope(encodeEnvelope(signed), payloadTypes.assignment)
    expect(encodeEnvelope(decoded)).toEqual(encodeEnvelope(signed))
    expect(Buffer.from(decoded.payload).toString()).toBe('payload')
  })

  test('the envelopes of root and assignment are read at their doors', () => {
    expect(outcomeOf(() => verifyRoot(signRoot(root, [rootKey])))).toBe('accepted')
    expect(outcomeOf(() => verifyAssignment(signAssignment(anAssignment(), [assignmentKey]), root, expectations))).toBe(
      'accepted',
    )
    expect(roles).toEqual(['root', 'release', 'assignment'])
  })
})
