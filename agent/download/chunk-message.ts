// One chunk as it comes off the wire: untrusted bytes from a topic anybody may have filled,
// turned into at most the chunk's own length of bytes, or into nothing.

import { constants, zstdDecompressSync } from 'node:zlib'
import { chunkCount, chunkSizeBytes, type HashedBlob } from '@roost/shared/bundle/chunks.ts'
import { Chunk, chunkBytesMax } from '@roost/shared/protocol/messages.ts'
import { parseChunkTopic } from '@roost/shared/protocol/topics.ts'
import { decode } from '@roost/shared/protocol/wire.ts'

/** CBOR's keys and lengths around the data of a chunk. */
const wrappingBytesMax = 256
/** A zstd frame may ask its reader for a window of gigabytes. 8 MiB is what every reader should grant (RFC 8878,
 *  3.1.1.1.2), and what level 19 asks for where the writer does not say how much there will be. */
const windowLogMax = 23

/** The index and content of a chunk of `file`; undefined for anything else. Unverified: the hash comes next. */
export function readChunkMessage(
  file: HashedBlob,
  topic: string,
  message: Uint8Array,
): { index: number; bytes: Uint8Array } | undefined {
  const place = parseChunkTopic(topic)
  if (place?.blob !== file.sha256 || place.index >= chunkCount(file)) return undefined
  if (message.length > chunkBytesMax + wrappingBytesMax) return undefined
  const decoded = decode(Chunk, message)
  if (!decoded.ok) return undefined
  const { encoding, data } = decoded.message
  const bytes = encoding === 'raw' ? data : decompress(data, chunkSizeBytes(file, place.index))
  return bytes === undefined ? undefined : { index: place.index, bytes }
}

function decompress(data: Uint8Array, sizeBytes: number): Uint8Array | undefined {
  try {
    return zstdDecompressSync(data, {
      maxOutputLength: sizeBytes,
      params: { [constants.ZSTD_d_windowLogMax]: windowLogMax },
    })
  } catch {
    return undefined // damaged, or more than a chunk of this length can hold
  }
}
