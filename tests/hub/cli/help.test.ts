// The help of every command has examples, and each of them is one that could be typed.

import type { Command } from 'commander'
import { expect, test } from 'vitest'
import { roostCommand } from '../../../hub/cli/program.ts'

type Leaf = { path: string; command: Command }

/** Those that do something; `complete` is what shells ask. */
const leaves = (command: Command, path: string[] = []): Leaf[] =>
  command.commands.length === 0
    ? [{ path: path.join(' '), command }]
    : command.commands.flatMap((child) => leaves(child, [...path, child.name()]))
const roost = await roostCommand()
const all = leaves(roost).filter(({ path }) => path !== 'complete')

function helpOf(command: Command): string {
  const pieces: string[] = []
  command.configureOutput({ writeOut: (piece) => void pieces.push(piece) })
  command.outputHelp()
  return pieces.join('')
}

/** As a shell would cut it, up to where something else than the command begins; quoted words are one. */
const wordsOf = (line: string): string[] =>
  [...(line.split(/ {2,}| [#|<>&]/)[0] ?? '').matchAll(/"([^"]*)"|'([^']*)'|(\S+)/g)].map(
    ([, a, b, c]) => a ?? b ?? c ?? '',
  )

/** What a line runs, and the words after its name. */
function resolved(line: string): { command: Command; rest: string[] } {
  let command = roost
  const [, ...rest] = wordsOf(line)
  for (;;) {
    const next = command.commands.find((child) => [child.name(), ...child.aliases()].includes(rest[0] ?? ''))
    if (next === undefined) return { command, rest }
    command = next
    rest.shift()
  }
}

test('there are commands', () => expect(all.length).toBeGreaterThan(60))

const names = roost.commands.flatMap((command) => [command.name(), ...command.aliases()])
test.each(names)('roost %s is the same where the others are not loaded', async (name) => {
  const find = (program: Command) =>
    program.commands.find((command) => [command.name(), ...command.aliases()].includes(name))
  const [whole, alone] = [find(roost), find(await roostCommand(name))]
  if (whole === undefined || alone === undefined) throw new Error(`${name} is not found by itself`)
  expect(leaves(alone).map(({ command }) => helpOf(command))).toEqual(
    leaves(whole).map(({ command }) => helpOf(command)),
  )
})

test('what names no command is answered by all of them', async () => {
  for (const asked of ['help', 'complete', 'rolout', '--help']) {
    const { commands } = await roostCommand(asked)
    expect(commands.length, asked).toBe(roost.commands.length)
  }
})

test.each(all.map(({ path, command }): [string, Command] => [path, command]))('roost %s --help', (path, command) => {
  const [, examples = ''] = helpOf(command).split(/\nExamples?[^\n]*:\n/)
  const typed = [...examples.matchAll(/^ {2}(?:\$ )?(?:\w+=\S+ )*(roost .+)$/gm)].map(([, line]) => line ?? '')
  const lines = typed.map(resolved)
  expect(
    lines.some((line) => line.command.name() === command.name()),
    `an example in the help of ${path}: hub/cli/examples.ts`,
  ).toBe(true)
  for (const [n, { command: run, rest }] of lines.entries()) {
    const { operands, unknown } = run.exitOverride().parseOptions(rest)
    const of = run.registeredArguments
    const mostMax = of.at(-1)?.variadic === true ? 100 : of.length
    expect([unknown, operands.length <= mostMax], typed[n]).toEqual([[], true])
    expect(operands.length, typed[n]).toBeGreaterThanOrEqual(of.filter(({ required }) => required).length)
  }
})
