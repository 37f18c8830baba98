// Counts over time as areas on top of each other, in a picture of any size. Pure.

export type Area = {
  /** SVG path, closed. */
  path: string
  /** What it stands on, and how high it reaches, at each point: counts. */
  from: number[]
  to: number[]
}

/** One area for each row of `counts`, the first at the bottom, drawn in `width` × `height` with y growing downwards. All
 *  rows have the same length, at least 2. `top`: the highest sum, at least 1, which is drawn at the top. */
export function stackedAreas(
  counts: readonly (readonly number[])[],
  { width, height }: { width: number; height: number },
): { areas: Area[]; top: number } {
  const length = counts[0]?.length ?? 0
  const sums = Array.from({ length }, (_, n) => counts.reduce((sum, row) => sum + (row[n] ?? 0), 0))
  const top = Math.max(1, ...sums)
  const x = (n: number) => round((width * n) / (length - 1))
  const y = (count: number) => round(height - (height * count) / top)
  let base = Array.from({ length }, () => 0)
  const areas = counts.map((row) => {
    const from = base
    const to = from.map((below, n) => below + (row[n] ?? 0))
    base = to
    const above = to.map((count, n) => `${x(n)} ${y(count)}`)
    const below = from.map((count, n) => `${x(n)} ${y(count)}`).reverse()
    return { path: `M${[...above, ...below].join('L')}Z`, from, to }
  })
  return { areas, top }
}

const round = (px: number): number => Math.round(px * 100) / 100
