// Curve25519 in Edwards form with bigints, slow and plain: finds the points of small order by arithmetic,
// so that the list in keys.ts is held against the curve and not against itself (RFC 8032, section 5.1).

const p = 2n ** 255n - 19n
const d = mod(-121665n * inverse(121666n))
export const groupOrder = 2n ** 252n + 27742317777372353535851937790883648493n

type Point = { x: bigint; y: bigint }
const neutral: Point = { x: 0n, y: 1n }

function mod(n: bigint): bigint {
  return ((n % p) + p) % p
}

function power(base: bigint, exponent: bigint): bigint {
  let [result, square] = [1n, mod(base)]
  for (let rest = exponent; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = mod(result * square)
    square = mod(square * square)
  }
  return result
}

function inverse(n: bigint): bigint {
  return power(n, p - 2n)
}

function add(a: Point, b: Point): Point {
  const k = mod(d * a.x * b.x * a.y * b.y)
  return {
    x: mod((a.x * b.y + b.x * a.y) * inverse(1n + k)),
    y: mod((a.y * b.y + a.x * b.x) * inverse(1n - k)),
  }
}

function times(n: bigint, point: Point): Point {
  let [result, doubled] = [neutral, point]
  for (let rest = n; rest > 0n; rest >>= 1n) {
    if (rest & 1n) result = add(result, doubled)
    doubled = add(doubled, doubled)
  }
  return result
}

function pointAt(y: bigint): Point | undefined {
  const square = mod((y * y - 1n) * inverse(mod(d * y * y + 1n)))
  const root = power(square, (p + 3n) / 8n)
  const x = [root, mod(root * power(2n, (p - 1n) / 4n))].find((candidate) => mod(candidate * candidate) === square)
  return x === undefined ? undefined : { x, y }
}

/** The torsion group, found by killing the large prime factor of arbitrary points until one of order 8 is left. */
function smallOrderPoints(): Point[] {
  for (let y = 2n; ; y++) {
    const point = pointAt(y)
    const torsion = point === undefined ? neutral : times(groupOrder, point)
    const multiples = Array.from({ length: 8 }, (_, n) => times(BigInt(n), torsion))
    if (new Set(multiples.map(({ x, y }) => `${x},${y}`)).size === 8) return multiples
  }
}

/** Every 32-byte string that a decoder may read as a point of small order: y or, where it fits, y + p; either sign bit. */
export function smallOrderEncodings(): { points: number; all: Buffer[] } {
  const points = smallOrderPoints()
  const all = points.flatMap(({ y }) =>
    [y, y + p]
      .filter((value) => value < 2n ** 255n)
      .flatMap((value) => [value, value + 2n ** 255n])
      .map((value) => Buffer.from(value.toString(16).padStart(64, '0'), 'hex').reverse()),
  )
  return { points: points.length, all }
}
