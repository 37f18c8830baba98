// Smoothing by an exponential moving average: y[t] = w y[t-1] + (1 - w) x[t], divided by 1 - w^t so that the beginning is
// not drawn towards zero (as in Adam: Kingma and Ba, 2015, §3). Pure.

/** Values in order, each the mean of `count` points; one that stands for n points counts as n of that value. `weight` is
 *  from 0, which changes nothing where each is one point, to below 1. */
export function smoothed(values: readonly { mean: number; count: number }[], weight: number): number[] {
  let average = 0
  let kept = 1
  return values.map(({ mean, count }) => {
    const old = weight ** count
    average = old * average + (1 - old) * mean
    kept *= old
    return average / (1 - kept)
  })
}
