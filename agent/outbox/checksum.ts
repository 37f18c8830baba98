// CRC32C (Castagnoli, RFC 3720 B.4), eight bytes at a time: Node's zlib offers CRC-32 only, which misses more of the
// burst errors that flash makes. Detects damage; it is no protection against intent.

const polynomial = 0x82f63b78
const tables = makeTables()

/** CRC32C of `bytes`, continuing from `before` (the CRC32C of what comes in front of them). Unsigned. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  const [t0, t1, t2, t3, t4, t5, t6, t7] = tables
  let crc = ~before
  let i = 0
  // typed arrays within their bounds: `?? 0` only satisfies the type checker and costs nothing once compiled
  for (const end = bytes.length - 7; i < end; i += 8) {
    crc ^= (at(bytes, i) | (at(bytes, i + 1) << 8) | (at(bytes, i + 2) << 16) | (at(bytes, i + 3) << 24)) >>> 0
    crc =
      at(t7, crc & 255) ^
      at(t6, (crc >>> 8) & 255) ^
      at(t5, (crc >>> 16) & 255) ^
      at(t4, crc >>> 24) ^
      at(t3, at(bytes, i + 4)) ^
      at(t2, at(bytes, i + 5)) ^
      at(t1, at(bytes, i + 6)) ^
      at(t0, at(bytes, i + 7))
  }
  for (; i < bytes.length; i += 1) crc = at(t0, (crc ^ at(bytes, i)) & 255) ^ (crc >>> 8)
  return ~crc >>> 0
}

function at(array: Uint8Array | Uint32Array, index: number): number {
  return array[index] ?? 0
}

type Tables = [Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array, Uint32Array]

/** Table k gives the CRC of a byte followed by k zero bytes. */
function makeTables(): Tables {
  const first = Uint32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8; bit += 1) crc = crc & 1 ? (crc >>> 1) ^ polynomial : crc >>> 1
    return crc >>> 0
  })
  const next = (table: Uint32Array) => table.map((crc) => at(first, crc & 255) ^ (crc >>> 8))
  const [t1, t2] = [next(first), next(next(first))]
  const [t3, t4] = [next(t2), next(next(t2))]
  const [t5, t6] = [next(t4), next(next(t4))]
  return [first, t1, t2, t3, t4, t5, t6, next(t6)]
}
