// What may come next on a command line that is half typed: commands, options and their choices out of the commands
// themselves, so that they are always those of this version; names of models, devices and so on out of the hub.

import type { Argument, Command, Option } from 'commander'

export type Candidate = { word: string; about: string }

/** What the hub has names of. */
export type NameKind = 'models' | 'devices' | 'groups' | 'rollouts' | 'datasets' | 'contexts'

export type Completion =
  | { kind: 'words'; candidates: Candidate[] }
  /** Whatever has a name of this kind. */
  | { kind: 'names'; of: NameKind }
  | { kind: 'files' }

/** @param words after `roost`, the last one being typed (it may be empty) */
export function complete(program: Command, words: readonly string[]): Completion {
  const typed = words.at(-1) ?? ''
  const { command, given, path, isHelp } = place(program, words.slice(0, -1))
  if (isHelp) return found(given === 0 ? subcommandsOf(command).filter(({ word }) => word !== help) : [], typed)
  const before = words.at(-2) ?? ''
  const open = before.startsWith('-') ? optionOf(command, before) : undefined
  if (open !== undefined && (open.required || open.optional)) return ofValue(open)
  if (typed.startsWith('-')) return found(optionsOf(command), typed)
  const subcommands = subcommandsOf(command)
  if (subcommands.length > 0) return found(subcommands, typed)
  const argument = command.registeredArguments[given] ?? variadicOf(command)
  return argument === undefined ? found([], typed) : ofArgument(argument, path, before, typed)
}

const found = (candidates: readonly Candidate[], typed: string): Completion => ({
  kind: 'words',
  candidates: candidates.filter(({ word }) => word.startsWith(typed)),
})

/** Those that the help lists, `help` among them. */
const subcommandsOf = (command: Command): Candidate[] =>
  command.commands.length === 0
    ? []
    : command
        .createHelp()
        .visibleCommands(command)
        .map((sub) => ({ word: sub.name(), about: sub.description() }))

const help = 'help'

type Place = { command: Command; given: number; path: string; isHelp: boolean }

/** Which command it is, and how many of its arguments are there; of `help` those of the command whose help it is. */
function place(program: Command, words: readonly string[]): Place {
  let command = program
  let given = 0
  let isHelp = false
  const path: string[] = []
  for (let i = 0; i < words.length; i += 1) {
    const word = words[i] ?? ''
    if (word.startsWith('-')) {
      if (!word.includes('=') && optionOf(command, word)?.required) i += 1
      continue
    }
    const sub = command.commands.find((known) => known.name() === word || known.aliases().includes(word))
    if (word === help && !isHelp && command.commands.length > 0) isHelp = true
    else if (sub === undefined || isHelp) given += 1
    else {
      command = sub
      given = 0
      path.push(sub.name())
    }
  }
  return { command, given, path: path.join(' '), isHelp }
}

const optionOf = (command: Command, flag: string): Option | undefined =>
  command.options.find(({ long, short }) => flag === long || flag === short)

const optionsOf = (command: Command): Candidate[] => [
  ...command.options
    .filter(({ hidden }) => !hidden)
    .flatMap(({ short, long, description }) =>
      // an option may have two words
      [short, long].flatMap((word) => (word?.startsWith('--') ? [{ word, about: description }] : [])),
    ),
  { word: '--help', about: 'what this command does' },
]

const variadicOf = ({ registeredArguments }: Command): Argument | undefined => {
  const last = registeredArguments.at(-1)
  return last?.variadic ? last : undefined
}

/** By the name that an argument or the value of an option has in the help; under `model`, `group` and so on `<name>` is one
 *  of those. */
const kinds: Readonly<Record<string, NameKind>> = {
  model: 'models',
  device: 'devices',
  group: 'groups',
  dataset: 'datasets',
  'model name': 'models',
  'push name': 'models',
  'group name': 'groups',
  'datasets name': 'datasets',
  'context name': 'contexts',
  'logout name': 'contexts',
  'device id': 'devices',
  'rollout id': 'rollouts',
}

/** @param before the word before it, which says what it names where an argument `<kind>` does */
function ofArgument(argument: Argument, path: string, before: string, typed: string): Completion {
  if (argument.argChoices !== undefined)
    return found(
      argument.argChoices.map((word) => ({ word, about: '' })),
      typed,
    )
  const of =
    kinds[argument.name()] ??
    kinds[`${path.split(' ')[0]} ${argument.name()}`] ??
    (argument.name() === 'name' ? kinds[before] : undefined)
  if (of !== undefined) return { kind: 'names', of }
  return isFile(argument.name()) ? { kind: 'files' } : found([], typed)
}

function ofValue(option: Option): Completion {
  if (option.argChoices !== undefined)
    return found(
      option.argChoices.map((word) => ({ word, about: '' })),
      '',
    )
  const value = /<([\w-]+)>/.exec(option.flags)?.[1] ?? ''
  if (option.long === '--context') return { kind: 'names', of: 'contexts' }
  const of = kinds[option.long?.slice(2) ?? ''] ?? kinds[value]
  if (of !== undefined) return { kind: 'names', of }
  return isFile(value) ? { kind: 'files' } : found([], '')
}

const isFile = (name: string): boolean => ['file', 'folder', 'envelope', 'manifest'].includes(name)
