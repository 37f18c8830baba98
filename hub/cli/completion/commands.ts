// `roost completion …`, whose output a shell reads at its start, and `roost complete`, which it then asks.

import { Argument, type Command } from 'commander'
import { z } from 'zod'
import { chooseHub } from '../contexts/choose.ts'
import { contextsPath, readContexts } from '../contexts/file.ts'
import { type Candidate, complete, type NameKind } from './candidates.ts'
import { filesMark, type Shell, scripts, shells } from './scripts.ts'

/** Somebody waits with a finger on the key. */
const answerMsMax = 1_000
/** More do not help to choose. */
const namesMax = 200

export function addCompletionCommands(program: Command): void {
  program
    .command('completion')
    .addArgument(new Argument('<shell>').choices([...shells]))
    .description('what a shell needs to complete commands, options and names')
    .addHelpText('after', examples)
    .action((shell: Shell) => {
      process.stdout.write(scripts[shell])
    })
  program
    .command('complete [words...]', { hidden: true })
    .allowUnknownOption()
    .helpOption(false)
    .action(async (words: string[]) => {
      const completion = complete(program, words)
      if (completion.kind === 'files') {
        process.stdout.write(`${filesMark}\n`)
        return
      }
      const typed = words.at(-1) ?? ''
      const candidates = completion.kind === 'words' ? completion.candidates : await namesOf(completion.of)
      const lines = candidates.filter(({ word }) => word.startsWith(typed)).map(candidateLine)
      process.stdout.write(lines.join(''))
    })
}

const examples = `
Examples:
  $ source <(roost completion bash)                                    in ~/.bashrc
  $ source <(roost completion zsh)                                     in ~/.zshrc, after compinit
  $ roost completion fish > ~/.config/fish/completions/roost.fish`

const candidateLine = ({ word, about }: Candidate): string => `${word}\t${(about.split(/[;:,(]/)[0] ?? '').trim()}\n`

const places: Readonly<Record<Exclude<NameKind, 'contexts'>, string>> = {
  models: '/v1/models',
  devices: '/v1/devices',
  groups: '/v1/groups',
  rollouts: '/v1/rollouts',
  datasets: '/v1/datasets',
}
const Named = z.object({ name: z.string().optional(), id: z.string().optional() })

/** None where the hub does not answer at once: a shell that completes says nothing of faults. */
async function namesOf(kind: NameKind): Promise<Candidate[]> {
  try {
    const contexts = readContexts(contextsPath(process.env))
    if (kind === 'contexts') return contexts.contexts.map(({ name, url }) => ({ word: name, about: url }))
    const { url, token } = chooseHub({}, { url: process.env.ROOST_URL, token: process.env.ROOST_TOKEN }, () => contexts)
    const response = await fetch(new URL(`${places[kind]}?limit=${namesMax}`, url), {
      headers: { authorization: `Bearer ${token}` },
      signal: AbortSignal.timeout(answerMsMax),
    })
    const page = z.looseObject({ [kind]: z.array(Named) }).parse(await response.json())
    return z
      .array(Named)
      .parse(page[kind])
      .map(({ name, id }) => ({ word: id ?? name ?? '', about: '' }))
      .filter(({ word }) => /^[\w.@-]+$/.test(word))
  } catch {
    return []
  }
}
