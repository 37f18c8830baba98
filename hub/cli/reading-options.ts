// The options of `roost evaluate` and `roost explain` that say which rows a version is run on and what its output means.

import { type Command, InvalidArgumentError, Option } from 'commander'
import { index, number } from './option-values.ts'

const kinds = {
  binary: 'binary-classification',
  multiclass: 'multiclass-classification',
  regression: 'regression',
} as const
const readings = ['probability', 'logit', 'score', 'probabilities', 'logits', 'label']

export type ReadingOptions = {
  dataset: string
  task?: keyof typeof kinds
  output?: string
  element?: number
  reads?: string
  threshold?: number
  positive?: string
  classes?: string[]
  column?: Record<string, string>
  variant?: string
  seed?: number
}

export function reading(command: Command): Command {
  return command
    .requiredOption('--dataset <snapshot>', 'name/version, or the digest')
    .addOption(
      new Option('--task <kind>', "what its output means; the version's own task otherwise").choices(
        Object.keys(kinds),
      ),
    )
    .option('--output <name>', 'which output to read, where there are several')
    .option('--element <index>', 'which element of it, counted from 0', index)
    .addOption(new Option('--reads <as>', 'how a number in it is read').choices(readings))
    .option('--threshold <number>', 'positive from here on', number)
    .option('--positive <label>', 'the label of the positive class')
    .option('--classes <labels>', 'in the order of the elements, with commas', words)
    .option(
      '--column <input=column>',
      'where an input comes from, if its column has another name (again for more)',
      mapping,
    )
    .option('--variant <name>', 'of the version; its first otherwise')
    .option('--seed <number>', 'of what is drawn', index)
}

/** Their part of the request.
 *  @throws Error where the task is described and not named */
export function readingOf(options: ReadingOptions): Record<string, unknown> {
  const { dataset, column, variant, seed } = options
  return { dataset, ...withoutMissing({ task: taskOf(options), columns: column, variant, seed }) }
}

function taskOf({ task, output, element, reads, threshold, positive, classes }: ReadingOptions): object | undefined {
  const described = withoutMissing({ output, element, reads, threshold, positive, classes })
  if (task !== undefined) return { kind: kinds[task], ...described }
  const [first] = Object.keys(described)
  if (first === undefined) return undefined
  throw new Error(`--${first} describes a task: say which with --task ${Object.keys(kinds).join('|')}`)
}

/** Without the fields that nobody gave. */
export const withoutMissing = (fields: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

function words(text: string): string[] {
  return text.split(',').map((word) => word.trim())
}

function mapping(text: string, before: Record<string, string> = {}): Record<string, string> {
  const at = text.indexOf('=')
  if (at <= 0) throw new InvalidArgumentError('write it as input=column')
  return { ...before, [text.slice(0, at)]: text.slice(at + 1) }
}
