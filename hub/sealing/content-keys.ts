// The content keys of sealed bundles, in a table of their own and locked with the hub's sealing key: who gets hold of the
// database alone opens nothing. A locked key is bound to its manifest.

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { contentKeyBytes, tagBytes } from '@roost/shared/bundle/sealing.ts'
import type { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import type { Hub, Random } from '../hub.ts'
import { BytesColumn, type Reader, type Statement } from '../storage/database.ts'

const cipherName = 'chacha20-poly1305'
/** Random: of a few thousand bundles two are the same once in 10^22. */
const nonceBytes = 12

/** Nonce, ciphertext, tag. */
export function lockContentKey(sealKey: Uint8Array, manifest: Digest, key: Uint8Array, random: Random): Uint8Array {
  const nonce = random(nonceBytes)
  const cipher = createCipheriv(cipherName, sealKey, nonce, { authTagLength: tagBytes })
  cipher.setAAD(Buffer.from(manifest), { plaintextLength: key.length })
  return Buffer.concat([nonce, cipher.update(key), cipher.final(), cipher.getAuthTag()])
}

/** @throws Error where it was locked with another key, or for another manifest */
export function unlockContentKey(sealKey: Uint8Array, manifest: Digest, locked: Uint8Array): Uint8Array {
  const end = nonceBytes + contentKeyBytes
  const decipher = createDecipheriv(cipherName, sealKey, locked.subarray(0, nonceBytes), { authTagLength: tagBytes })
  decipher.setAAD(Buffer.from(manifest), { plaintextLength: contentKeyBytes })
  decipher.setAuthTag(locked.subarray(end))
  const key = decipher.update(locked.subarray(nonceBytes, end))
  try {
    decipher.final()
  } catch (cause) {
    throw new Error(`the key of the sealed bundle ${manifest} does not open: keys/seal.key is another than it was`, {
      cause,
    })
  }
  return key
}

export const keepLockedKey = (manifest: Digest, locked: Uint8Array): Statement => ({
  sql: 'INSERT INTO sealed_keys (manifest, locked) VALUES (?, ?)',
  args: [manifest, locked],
})

/** Undefined where the bundle is not sealed.
 *  @throws as `unlockContentKey` */
export async function contentKeyOf(
  { database, keys }: { database: Reader; keys: Pick<Hub['keys'], 'seal'> },
  manifest: Digest,
): Promise<Uint8Array | undefined> {
  const row = await database.first(
    z.object({ locked: BytesColumn }),
    'SELECT locked FROM sealed_keys WHERE manifest = ?',
    [manifest],
  )
  return row && unlockContentKey(keys.seal, manifest, row.locked)
}
