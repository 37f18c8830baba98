// Which inferences a shadow repeats: each with the same chance, whatever came before. Not every n-th one: a gateway that
// reads its sensors in turn would show the shadow the same sensor for ever.

/** One draw after the other, true with probability `share`; the same seed draws the same.
 *  A counter through the finaliser of MurmurHash3 (Appleby, public domain): 32 bits, close to independent. */
export function createDraw(share: number, seed: number): () => boolean {
  const below = share * 2 ** 32
  let counter = seed >>> 0
  return () => {
    counter = (counter + 0x9e37_79b9) >>> 0
    let hash = counter
    hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
    return (hash ^ (hash >>> 16)) >>> 0 < below
  }
}
