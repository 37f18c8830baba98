// What somebody who mistyped a word may have meant.

/** The known word that fewest typing mistakes lead from; undefined where none is known, or none is near.
 *  @param mistakesMax so many letters may be wrong; a third of the word's, at least two, where left out */
export function nearestWord(
  word: string,
  known: readonly string[],
  mistakesMax = Math.max(2, Math.floor(word.length / 3)),
): string | undefined {
  let nearest: string | undefined
  let least = mistakesMax + 1
  for (const one of known) {
    const mistakes = editDistance(word.toLowerCase(), one.toLowerCase())
    if (mistakes < least) [nearest, least] = [one, mistakes]
  }
  return nearest
}

/** Words that are longer are nobody's slip, and comparing them takes time. */
const lettersMax = 100

/** Levenshtein: insertions, deletions and substitutions from `a` to `b`. */
function editDistance(a: string, b: string): number {
  if (Math.max(a.length, b.length) > lettersMax) return Number.POSITIVE_INFINITY
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (const [i, letter] of [...a].entries()) {
    const next = [i + 1]
    for (let j = 1; j <= b.length; j += 1) {
      const substituted = (row[j - 1] ?? 0) + (letter === b[j - 1] ? 0 : 1)
      next.push(Math.min((row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1, substituted))
    }
    row = next
  }
  return row[b.length] ?? 0
}
