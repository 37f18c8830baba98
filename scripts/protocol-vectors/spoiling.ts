// Envelopes as an attacker or a careless signer would make them.

import { payloadTypes } from '@roost/shared/trust/envelope.ts'
import { z } from 'zod'
import { assignmentKey, rootKey, roots } from './parties.ts'
import { enveloped, signed, wishes } from './sending.ts'

const Parts = z.object({
  payloadType: z.string(),
  payload: z.string(),
  signatures: z.array(z.object({ keyid: z.string(), sig: z.string() })),
})
type Parts = z.infer<typeof Parts>

const partsOf = (envelope: Uint8Array): Parts => Parts.parse(JSON.parse(Buffer.from(envelope).toString()))
const joined = (parts: Parts): Uint8Array => Buffer.from(JSON.stringify(parts))

function withSignatures(envelope: Uint8Array, change: (signature: Parts['signatures'][number]) => object): Uint8Array {
  const { signatures, ...rest } = partsOf(envelope)
  return joined({ ...rest, signatures: signatures.map((signature) => ({ ...signature, ...change(signature) })) })
}

export function keyTwice(): Uint8Array {
  const text = JSON.stringify(wishes).replace('"generation":5', '"generation":5,"generation":5')
  return enveloped(payloadTypes.assignment, text, assignmentKey)
}

export const behindByteOrderMark = (envelope: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from([0xef, 0xbb, 0xbf]), envelope])

/** 64 bytes are 86 characters of base64 and two of padding: the last of the 86 holds four bits that mean nothing. */
export function strayBits(envelope: Uint8Array): Uint8Array {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/'
  return withSignatures(envelope, ({ sig }) => {
    const next = alphabet.charAt(alphabet.indexOf(sig.charAt(85)) + 1)
    return { sig: `${sig.slice(0, 85)}${next}==` }
  })
}

export const namedAs = (keyid: string, envelope: Uint8Array): Uint8Array => withSignatures(envelope, () => ({ keyid }))

/** The same signature to a reader that does not look whether S is below the order (RFC 8032, section 5.1.7). */
export function groupOrderAdded(envelope: Uint8Array): Uint8Array {
  const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n
  return withSignatures(envelope, ({ sig }) => {
    const bytes = Buffer.from(sig, 'base64')
    const s = BigInt(`0x${Buffer.from(bytes.subarray(32)).reverse().toString('hex')}`) + groupOrder
    Buffer.from(s.toString(16).padStart(64, '0'), 'hex').reverse().copy(bytes, 32)
    return { sig: bytes.toString('base64') }
  })
}

export function otherPayload(): Uint8Array {
  const payload = Buffer.from(JSON.stringify({ ...wishes, floors: {} })).toString('base64')
  return joined({ ...partsOf(signed({})), payload })
}

/** The right type beside a signature that was made over another one. */
export function signedAsManifest(): Uint8Array {
  const envelope = enveloped(payloadTypes.manifest, JSON.stringify(wishes), assignmentKey)
  return joined({ ...partsOf(envelope), payloadType: payloadTypes.assignment })
}

/** The second root as it could come from whoever wants one key to be enough. */
export function twoRolesOfOneKey(): Uint8Array {
  const [, root] = roots
  const text = JSON.stringify({ ...root, roles: { ...root.roles, release: root.roles.assignment } })
  return enveloped(payloadTypes.root, text, rootKey)
}
