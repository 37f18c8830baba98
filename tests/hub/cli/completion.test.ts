// Completion: what may come next, for every command there is, and the shells that ask for it, as far as they are installed.

import { execFile, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Command } from 'commander'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Completion, complete } from '../../../hub/cli/completion/candidates.ts'
import { type Shell, scripts, shells } from '../../../hub/cli/completion/scripts.ts'
import { addContextCommands } from '../../../hub/cli/contexts/commands.ts'
import { addFleetCommands } from '../../../hub/cli/fleet.ts'
import { addModelCommands } from '../../../hub/cli/models.ts'
import { addPromotionCommands } from '../../../hub/cli/promote.ts'
import { addRolloutCommands } from '../../../hub/cli/rollouts.ts'
import { addTokenCommands } from '../../../hub/cli/tokens.ts'
import { addWatchingCommands } from '../../../hub/cli/watching.ts'
import { inherited } from '../../builders/inherited.ts'
import { aRunningHub, type RunningHub } from './a-running-hub.ts'

let hub: RunningHub
beforeAll(async () => {
  hub = await aRunningHub()
  await hub.database.write([
    {
      sql: `INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('motes', 1, 1, 0), ('motors', 1, 1, 0)`,
    },
  ])
})
afterAll(() => hub[Symbol.asyncDispose]())

const program = new Command('roost')
for (const add of [
  addContextCommands,
  addFleetCommands,
  addModelCommands,
  addPromotionCommands,
  addRolloutCommands,
  addTokenCommands,
  addWatchingCommands,
])
  add(program)

const wordsOf = (completion: Completion) =>
  completion.kind === 'words' ? completion.candidates.map(({ word }) => word) : []

type Place = { path: string[]; command: Command }
const places = (command: Command, path: string[]): Place[] => [
  { path, command },
  ...command.commands.flatMap((sub) => places(sub, [...path, sub.name()])),
]

test('every command and every option is offered for each beginning of it, and nothing that does not begin so', () => {
  const all = places(program, [])
  expect(all.length).toBeGreaterThan(40)
  fc.assert(
    fc.property(
      fc.constantFrom(...all),
      fc.nat(),
      fc.nat(20),
      fc.constantFrom([], ['--json']),
      (place, pick, cut, more) => {
        const subs = place.command.commands.map((sub) => sub.name())
        const flags = place.command.options.flatMap(({ long }) => long ?? [])
        const [words, atLeast] = subs.length > 0 ? [subs, 0] : [flags, 2]
        const wanted = words[pick % words.length]
        if (wanted === undefined) return
        const typed = wanted.slice(0, Math.max(cut, atLeast))
        const offered = wordsOf(complete(program, [...place.path, ...(subs.length > 0 ? [] : more), typed]))
        expect(offered).toContain(wanted)
        for (const word of offered) expect(word.startsWith(typed)).toBe(true)
      },
    ),
    { seed: 20261126, numRuns: 400 },
  )
})

test('any line at all has an answer', () => {
  const word = fc.oneof(
    fc.string({ maxLength: 8 }),
    fc.constantFrom('model', 'push', '--url', '--to', 'promote', '-', '--'),
  )
  fc.assert(
    fc.property(fc.array(word, { maxLength: 6 }), (words) => {
      expect(['words', 'names', 'files']).toContain(complete(program, words).kind)
    }),
    { seed: 20261126, numRuns: 500 },
  )
})

test.each([
  ['promote m 1 --to ', { kind: 'words', candidates: expect.arrayContaining([{ word: 'production', about: '' }]) }],
  ['model push ', { kind: 'names', of: 'models' }],
  ['models show ', { kind: 'names', of: 'models' }],
  ['model push m ', { kind: 'files' }],
  ['model push --url http://x m ', { kind: 'files' }],
  ['model push m f --sample ', { kind: 'files' }],
  ['rollout start m 1 --group ', { kind: 'names', of: 'groups' }],
  ['rollout show ', { kind: 'names', of: 'rollouts' }],
  ['device show --context ', { kind: 'names', of: 'contexts' }],
  ['context use ', { kind: 'names', of: 'contexts' }],
  ['drift mo', { kind: 'words', candidates: [{ word: 'model', about: '' }] }],
  ['drift group ', { kind: 'names', of: 'groups' }],
  ['telemetry --json device ', { kind: 'names', of: 'devices' }],
  ['token create model ', { kind: 'words', candidates: [] }],
  ['token create a --role ', { kind: 'words', candidates: expect.arrayContaining([{ word: 'approver', about: '' }]) }],
  ['device list ', { kind: 'words', candidates: [] }],
  ['help rollo', { kind: 'words', candidates: [{ word: 'rollout', about: expect.any(String) }] }],
  ['help rollout ', { kind: 'words', candidates: [] }],
  ['rollout help sho', { kind: 'words', candidates: [{ word: 'show', about: expect.any(String) }] }],
  ['help he', { kind: 'words', candidates: [] }],
  ['help --', { kind: 'words', candidates: [] }],
  ['rollout he', { kind: 'words', candidates: [{ word: 'help', about: 'display help for command' }] }],
])('after "roost %s"', (line, expected) => expect(complete(program, line.split(' '))).toEqual(expected))

const main = fileURLToPath(new URL('../../../hub/cli/main.ts', import.meta.url))
const roostCommand = `${process.execPath} ${main}`

/** What completing the words after `roost` says, a line each; the script is read as the shell reads it. */
const lineOf: Readonly<Record<Shell, (words: string[]) => string>> = {
  bash: (words) => `roost() { ${roostCommand} "$@"; }
${scripts.bash}
COMP_WORDS=(roost ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}
_roost; printf '%s\\n' "\${COMPREPLY[@]}"`,
  zsh: (words) => `roost() { ${roostCommand} "$@" }
compdef() { }
_describe() { print -l -- "\${(@P)2}" }
_files() { print -l -- *(N) }
${scripts.zsh}
words=(roost ${words.map((word) => `'${word}'`).join(' ')}); CURRENT=${words.length + 1}
_roost`,
  fish: (words) => `function roost; ${roostCommand} $argv; end
${scripts.fish}
complete -C 'roost ${words.join(' ')}'`,
}

const installed = shells.filter((shell) => spawnSync(shell, ['-c', 'exit 0']).status === 0)

test.each(installed)('%s completes commands, options, files and the names that the hub has', async (shell) => {
  const folder = fileURLToPath(new URL('../../fixtures/tls/', import.meta.url))
  const environment = { ...inherited(), HOME: hub.folder, ROOST_URL: hub.url, ROOST_TOKEN: hub.token }
  const completions = async (words: string[], more: Record<string, string> = {}) => {
    const options = { env: { ...environment, ...more }, cwd: folder }
    const { stdout } = await promisify(execFile)(shell, ['-c', lineOf[shell](words)], options)
    return stdout
      .split('\n')
      .map((line) => line.split(/[\t:]/)[0])
      .filter((word) => word !== '')
  }
  expect(await completions(['rollo'])).toEqual(['rollout'])
  // 'complete' is what shells ask, and nobody else
  expect(await completions(['help', 'comple'])).toEqual(['completion'])
  expect(await completions(['model', 'push', '--meta'])).toEqual(['--metadata'])
  // names are left out where the hub takes longer than somebody with a finger on the key would wait: then they press it again
  const names = async () => (await completions(['model', 'show', 'mot'])).toSorted()
  await expect.poll(names).toEqual(['motes', 'motors'])
  expect(await completions(['model', 'push', 'motes', ''])).toContain('cert.pem')
  expect(await completions(['model', 'show', ''], { ROOST_URL: 'http://127.0.0.1:1' })).toEqual([])
})

test('bash is always there', () => expect(installed).toContain('bash'))
