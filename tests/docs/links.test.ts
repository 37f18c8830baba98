// Every relative link of README and docs leads somewhere, anchors included, and so does every page that sources,
// scripts and tests mention. A page that nobody can reach is found as well.

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, test } from 'vitest'
import { anchorOf, linksOf, readSections } from './document.ts'

const root = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(root, file), 'utf8')

/** As git would commit them: tracked, or new and not ignored; none that was removed. */
const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], {
  cwd: root,
  encoding: 'utf8',
})
  .split('\0')
  .filter((file) => file !== '' && existsSync(join(root, file)))
const pages = files.filter((file) => file.endsWith('.md'))
const mentioning = files.filter((file) => /\.(ts|js|mjs|json|sh|sql|py|yml|yaml|toml|service)$|^\.ci\//.test(file))

type Link = { page: string; path: string; anchor: string }

function relativeLinks(page: string): Link[] {
  return linksOf(read(page))
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [path = '', anchor = ''] = target.split('#')
      return { page, path: path === '' ? page : normalize(join(dirname(page), decodeURI(path))), anchor }
    })
}

const links = pages.flatMap(relativeLinks)

test('there are pages and links to look at', () => {
  expect(pages).toContain('README.md')
  expect(pages.length).toBeGreaterThan(15)
  expect(links.length).toBeGreaterThan(40)
})

describe('links', () => {
  test.each(pages)('of %s lead to a file or folder', (page) => {
    const broken = relativeLinks(page).filter(({ path }) => !existsSync(join(root, path)))
    expect(broken.map(({ path }) => path)).toEqual([])
  })

  test.each(pages)('of %s lead to a heading where they name one', (page) => {
    const broken = relativeLinks(page)
      .filter(({ path, anchor }) => anchor !== '' && path.endsWith('.md') && existsSync(join(root, path)))
      .filter(({ path, anchor }) => !anchorsOf(path).includes(anchor))
    expect(broken.map(({ path, anchor }) => `${path}#${anchor}`)).toEqual([])
  })
})

/** GitHub numbers headings that are there before: `limits`, `limits-1`. */
function anchorsOf(page: string): string[] {
  const seen = new Map<string, number>()
  return readSections(read(page)).map(({ heading }) => {
    const anchor = anchorOf(heading)
    const before = seen.get(anchor) ?? 0
    seen.set(anchor, before + 1)
    return before === 0 ? anchor : `${anchor}-${before}`
  })
}

test('pages that sources mention are there', () => {
  const broken = mentioning.flatMap((file) =>
    [...read(file).matchAll(/\bdocs\/[\w/-]+\.md\b/g)]
      .map(([path]) => path)
      .filter((path) => !existsSync(join(root, path)))
      .map((path) => `${file} mentions ${path}`),
  )
  expect(broken).toEqual([])
})

test('files that README and docs mention in code are there', () => {
  const paths = /`((?:hub|agent|shared|scripts|tests|firmware-profiles)\/[\w./-]+\w|[\w-]+\.(?:json|md))`/g
  const broken = pages.flatMap((page) =>
    [...read(page).matchAll(paths)]
      .map(([, path]) => path ?? '')
      .filter((path) => path.includes('/') && !existsSync(join(root, path)))
      .map((path) => `${page} mentions ${path}`),
  )
  expect(broken).toEqual([])
})

test('every page is reached from the README, decisions by their folder', () => {
  const reached = new Set(['README.md'])
  for (const page of reached) for (const link of links.filter((one) => one.page === page)) reached.add(link.path)
  const folders = [...reached].filter(
    (path) => existsSync(join(root, path)) && statSync(join(root, path)).isDirectory(),
  )
  const lost = pages.filter(
    (page) => page.startsWith('docs/') && !reached.has(page) && !folders.some((folder) => page.startsWith(folder)),
  )
  expect(lost).toEqual([])
})
