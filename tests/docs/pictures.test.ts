// Pictures of the documents: each one that is shown is there, described, small, and none lies about unused.

import { readdirSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const pictures = join(root, 'docs/pictures')
const sizeBytesMax = 150_000
const pages = [
  'README.md',
  ...readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => `docs/${name}`),
]
const shown = pages.flatMap((page) =>
  [...readFileSync(join(root, page), 'utf8').matchAll(/!\[([^\]]*)\]\(([^)\s]+)\)/g)].map(
    ([, words = '', path = '']) => ({
      page,
      words,
      file: resolve(root, dirname(page), path),
    }),
  ),
)

test('every picture that a document shows is there, a PNG, and said in words', () => {
  expect(shown.length).toBeGreaterThan(0)
  for (const { page, words, file } of shown) {
    expect(readFileSync(file).subarray(1, 4).toString(), `${page} shows ${file}`).toBe('PNG')
    expect(words.length, `${page} says what ${file} shows`).toBeGreaterThan(20)
  }
})

test('pictures are small, and all of them are shown somewhere', () => {
  const files = readdirSync(pictures).map((name) => join(pictures, name))
  for (const file of files) expect(statSync(file).size, file).toBeLessThan(sizeBytesMax)
  expect(new Set(shown.map(({ file }) => file))).toEqual(new Set(files))
})
