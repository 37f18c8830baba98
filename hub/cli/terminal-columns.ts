// How many columns of a terminal a text takes: two of a CJK letter or an emoji, none of a combining mark. Cutting leaves
// whole what a person sees as one letter. Terminals differ in emoji that are joined; this is what the standard says.

import { eastAsianWidth } from 'get-east-asian-width'

/** Columns of a text that holds no control characters. */
export const columnsOf = (text: string): number =>
  isPlain(text) ? text.length : graphemesOf(text).reduce((sum, grapheme) => sum + columnsOfOne(grapheme), 0)

/** The text, or as much of it as fits with an ellipsis behind. */
export function cutToColumns(text: string, columns: number): string {
  if (columnsOf(text) <= columns) return text
  let kept = ''
  let left = columns - 1
  for (const grapheme of graphemesOf(text)) {
    left -= columnsOfOne(grapheme)
    if (left < 0) break
    kept += grapheme
  }
  return `${kept}…`
}

export const padToColumns = (text: string, columns: number): string =>
  text + ' '.repeat(Math.max(0, columns - columnsOf(text)))

/** Printable ASCII: nearly all there is. */
const isPlain = (text: string): boolean => /^[ -~]*$/.test(text)

let segmenter: Intl.Segmenter | undefined

function graphemesOf(text: string): string[] {
  // made where it is needed: most commands print ASCII, and wait for nothing
  segmenter ??= new Intl.Segmenter('en', { granularity: 'grapheme' })
  return Array.from(segmenter.segment(text), ({ segment }) => segment)
}

/** An emoji of several characters is two; of all else each character counts, as in wcwidth(3). */
function columnsOfOne(grapheme: string): number {
  const characters = Array.from(grapheme)
  if (characters.length > 1 && /^\p{RGI_Emoji}$/v.test(grapheme)) return 2
  return characters.reduce(
    (sum, character) => sum + (takesNone.test(character) ? 0 : eastAsianWidth(character.codePointAt(0) ?? 0)),
    0,
  )
}

/** Marks, formats and what else is ignored, and the vowels and finals of Hangul, which join the consonant before. */
const takesNone = /^[\p{Mn}\p{Me}\p{Cf}\p{Default_Ignorable_Code_Point}\u1160-\u11ff\ud7b0-\ud7ff]$/u
