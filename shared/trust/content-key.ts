// A bundle's content key on its way to one device: in a box (X25519, XSalsa20-Poly1305: NaCl) that only the private half
// of that device's sealing key opens. The sender's key is made for this one box and forgotten, so that nobody, the sender
// included, opens it later. Who made the box is not said; the signed manifest names the key that must be in it.

import nacl from 'tweetnacl'
import { contentKeyBytes, contentKeyId } from '../bundle/sealing.ts'
import type { SealedKey } from '../protocol/messages.ts'

/** @param random so many random bytes */
export function wrapContentKey(
  key: Uint8Array,
  manifest: string,
  deviceKey: Uint8Array,
  random: (sizeBytes: number) => Uint8Array,
): SealedKey {
  const sender = nacl.box.keyPair.fromSecretKey(Uint8Array.from(random(nacl.box.secretKeyLength)))
  const nonce = Uint8Array.from(random(nacl.box.nonceLength))
  const box = nacl.box(Uint8Array.from(key), nonce, Uint8Array.from(deviceKey), sender.secretKey)
  return { manifest, sender: sender.publicKey, nonce, box }
}

/** The content key; undefined where the box is another device's, was changed, or holds a key other than `keyId` names.
 *  @param secretKey 32 raw bytes of X25519 */
export function unwrapContentKey(
  { sender, nonce, box }: SealedKey,
  keyId: string,
  secretKey: Uint8Array,
): Uint8Array | undefined {
  // copies, for tweetnacl takes no Buffer
  const copy = (bytes: Uint8Array) => Uint8Array.from(bytes)
  const key = nacl.box.open(copy(box), copy(nonce), copy(sender), copy(secretKey))
  return key !== null && key.length === contentKeyBytes && contentKeyId(key) === keyId ? key : undefined
}
