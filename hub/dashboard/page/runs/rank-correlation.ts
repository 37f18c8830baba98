// How far two columns rise together: Spearman's rank correlation (Pearson's of the ranks, ties at their mean rank). Pure.

/** -1 to 1; undefined with fewer than three pairs, or where one side is all the same. */
export function rankCorrelation(pairs: readonly (readonly [x: number, y: number])[]): number | undefined {
  if (pairs.length < 3) return undefined
  const xs = ranks(pairs.map(([x]) => x))
  const ys = ranks(pairs.map(([, y]) => y))
  const middle = (pairs.length - 1) / 2
  let both = 0
  let ofX = 0
  let ofY = 0
  for (const [i, x] of xs.entries()) {
    const y = ys[i] ?? 0
    both += (x - middle) * (y - middle)
    ofX += (x - middle) ** 2
    ofY += (y - middle) ** 2
  }
  if (ofX === 0 || ofY === 0) return undefined
  return Math.max(-1, Math.min(1, both / Math.sqrt(ofX * ofY)))
}

function ranks(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => (values[a] ?? 0) - (values[b] ?? 0))
  const ranked = new Array<number>(values.length).fill(0)
  for (let from = 0; from < order.length; ) {
    let to = from
    while (to + 1 < order.length && values[order[to + 1] ?? 0] === values[order[from] ?? 0]) to += 1
    for (let i = from; i <= to; i++) ranked[order[i] ?? 0] = (from + to) / 2
    from = to + 1
  }
  return ranked
}
