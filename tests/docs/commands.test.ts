// Every `roost …` that README and docs write, in a block or in a sentence, is a command there is, with options it has.
// Those of README.md, docs/get-started.md and docs/operate.md are run as well: tests/readme/by-hand.test.ts.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Command } from 'commander'
import { beforeAll, expect, test } from 'vitest'
import { roostCommand } from '../../hub/cli/program.ts'

const root = join(import.meta.dirname, '../..')
const pages = ['README.md', ...readdirSync(join(root, 'docs')).map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
)

type Written = { page: string; words: string[] }
const written: Written[] = pages.flatMap((page) => {
  const text = readFileSync(join(root, page), 'utf8')
  const fences = [...text.matchAll(/^```(?:sh|bash|yaml|)\n(.*?)^```/gms)].map(([, block]) => block ?? '')
  const spans = [...text.replaceAll(/^```.*?^```/gms, '').matchAll(/`([^`]+)`/g)].map(([, code]) => code ?? '')
  const inBlocks = fences.flatMap((block) => [
    ...block.matchAll(/(?:^|\$\(|[|;&] |run: )(?:npx )?roost ([a-z][^\n]*)/gm),
  ])
  const inSpans = spans.flatMap((code) => [...code.matchAll(/^(?:npx )?roost ([a-z][^\n]*)/g)])
  return [...inBlocks, ...inSpans].map(([, rest = '']) => ({ page, words: wordsOf(rest) }))
})

/** Up to where the shell takes over: a pipe, a redirection, a comment, the end of a substitution. */
function wordsOf(rest: string): string[] {
  const [command = ''] = rest.split(/ [|>&#;]|[;)]/)
  return command.trim().split(/\s+/)
}

let roost: Command
beforeAll(async () => {
  roost = await roostCommand()
})

test('there are commands to look at', () => {
  expect(roost.commands.length).toBeGreaterThan(15)
  expect(written.length).toBeGreaterThan(60)
})

test.each(written.map(({ page, words }): [string, string[]] => [`${page}: roost ${words.join(' ')}`, words]))(
  '%s',
  (_, words) => {
    let command = roost
    const rest = [...words]
    for (let next = childOf(command, rest[0]); next !== undefined; next = childOf(command, rest[0])) {
      command = next
      rest.shift()
    }
    // a group of commands ends with its name, or with none of its own after it
    expect(command, 'no such command').not.toBe(roost)
    if (command.commands.length > 0) expect(rest.filter((word) => /^[a-z]/.test(word))).toEqual([])
    const options = rest.flatMap((word) => /^--[a-z][\w-]*/.exec(word)?.[0] ?? [])
    const known = [...command.options, ...roost.options]
      .flatMap(({ long, short }) => [long, short])
      .filter((flag) => flag !== undefined)
    expect(options.filter((option) => !known.includes(option) && option !== '--help')).toEqual([])
  },
)

const childOf = (command: Command, word: string | undefined): Command | undefined =>
  command.commands.find((child) => child.name() === word || (word !== undefined && child.aliases().includes(word)))
