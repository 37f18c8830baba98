// What is wrong with data that does not fit its schema, in a sentence that says what was given and what may be. In the
// place of zod's own wording, wherever a schema has no words of its own.

import { z } from 'zod'
import { nearestWord } from './nearest-word.ts'
import { counted, named } from './wording.ts'

type RawIssue = Parameters<NonNullable<z.core.$ZodConfig['localeError']>>[0]

type Sized = Extract<RawIssue, { code: 'too_small' | 'too_big' }>

/** From now on, in this process. */
export const useSchemaSentences = (): void => {
  z.config({ localeError: schemaSentence })
}

/** Without the path, which goes before it. Secrets that were given are not repeated. */
export function schemaSentence(issue: RawIssue): string {
  switch (issue.code) {
    case 'invalid_type':
      return issue.input === undefined
        ? `missing; give ${kindWords[issue.expected] ?? issue.expected}`
        : `must be ${kindWords[issue.expected] ?? issue.expected}, not ${given(issue)}`
    case 'invalid_value':
      return valueSentence(issue, issue.values.map(String))
    case 'too_small':
      return `must ${sized(issue.origin, bound(issue, 'at least', 'more than'), issue.minimum)}, ${measured(issue)}`
    case 'too_big':
      return `must ${sized(issue.origin, bound(issue, 'at most', 'less than'), issue.maximum)}, ${measured(issue)}`
    case 'not_multiple_of':
      return `must be ${issue.divisor === 1 ? 'a whole number' : `a multiple of ${issue.divisor}`}, not ${given(issue)}`
    case 'invalid_format':
      return `must be ${formatWords[issue.format] ?? (issue.pattern === undefined ? issue.format : `text that fits ${issue.pattern}`)}, not ${given(issue)}`
    case 'unrecognized_keys':
      return unknownKeys(issue.keys, allowedKeys(issue.inst))
    case 'invalid_union':
      return unionSentence(issue)
    case 'invalid_key':
      return `has a name that may not be: ${issue.issues.map(({ message }) => message).join(', ')}`
    case 'invalid_element':
      return `has an entry that may not be: ${issue.issues.map(({ message }) => message).join(', ')}`
    default:
      return 'not accepted'
  }
}

const kindWords: Record<string, string> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  set: 'a list',
  object: 'an object',
  record: 'an object',
  map: 'an object',
  null: 'null',
  undefined: 'left out',
  never: 'left out',
  nonoptional: 'a value',
  date: 'a time',
}

const formatWords: Record<string, string> = {
  datetime: 'a time such as 2026-11-24T08:15:02Z',
  date: 'a date such as 2026-11-24',
  time: 'a time of day such as 08:15:02',
  url: 'a URL',
  uuid: 'a UUID',
  guid: 'a UUID',
  email: 'an e-mail address',
  base64: 'base64',
  json_string: 'JSON',
}

const shownMax = 60
const isSecret = (path: readonly PropertyKey[] | undefined): boolean =>
  /secret|token|password|key$/i.test(String(path?.at(-1) ?? ''))

/** What was given: itself where it is short, else what it is. */
function given({ input, path }: Pick<RawIssue, 'input' | 'path'>): string {
  if (typeof input === 'string') {
    return isSecret(path) || input.length > shownMax
      ? `this text of ${counted(input.length, 'character')}`
      : JSON.stringify(input)
  }
  if (input === null || typeof input === 'number' || typeof input === 'boolean') return String(input)
  if (Array.isArray(input)) return 'a list'
  return typeof input === 'object' ? 'an object' : typeof input
}

const bound = ({ exact, inclusive }: Sized, including: string, beyond: string): string => {
  if (exact === true) return 'exactly'
  return inclusive === false ? beyond : including
}

/** How large a thing of its kind must be: `be at least 1`, `have at most 64 characters`. */
function sized(origin: string, bound: string, limit: number | bigint): string {
  if (origin === 'string') return `have ${bound} ${counted(Number(limit), 'character')}`
  if (collections.has(origin)) return `have ${bound} ${counted(Number(limit), 'entry', 'entries')}`
  return `be ${bound} ${limit}`
}

const collections: ReadonlySet<string> = new Set(['array', 'set', 'map', 'record', 'object'])

/** How large what was given is. */
function measured(issue: Sized): string {
  const { input } = issue
  if (typeof input === 'string') return input.length === 0 ? 'but is empty' : `but has ${input.length}`
  if (Array.isArray(input)) return input.length === 0 ? 'but is empty' : `but has ${input.length}`
  if (typeof input === 'object' && input !== null) return `but has ${Object.keys(input).length}`
  return `not ${given(issue)}`
}

const valuesShown = 20

const oneOf = (values: readonly string[]): string =>
  values.length === 1 ? JSON.stringify(values[0]) : `one of ${named(values, valuesShown)}`

function valueSentence(issue: Pick<RawIssue, 'input' | 'path'>, values: readonly string[]): string {
  const { input } = issue
  if (input === undefined) return `missing; give ${oneOf(values)}`
  const nearest = typeof input === 'string' && values.length > 1 ? nearestWord(input, values) : undefined
  return `must be ${oneOf(values)}, not ${given(issue)}${nearest === undefined ? '' : `; did you mean ${nearest}?`}`
}

/** The keys that an object may have; undefined where the schema does not tell. */
const allowedKeys = (schema: unknown): string[] | undefined =>
  schema instanceof z.core.$ZodObject ? Object.keys(schema._zod.def.shape) : undefined

const unknownShown = 5

function unknownKeys(keys: readonly string[], allowed: readonly string[] | undefined): string {
  const shown = keys.slice(0, unknownShown).map((key) => {
    const nearest = nearestWord(key, allowed ?? [])
    const name = JSON.stringify(key.length > shownMax ? `${key.slice(0, shownMax)}…` : key)
    return nearest === undefined ? name : `${name} (did you mean ${nearest}?)`
  })
  const more = keys.length > unknownShown ? [`${keys.length - unknownShown} more`] : []
  const may =
    allowed === undefined ? '' : `; there may be ${allowed.length === 0 ? 'none' : named(allowed, valuesShown)}`
  return `unknown ${keys.length === 1 ? 'field' : 'fields'} ${[...shown, ...more].join(', ')}${may}`
}

const branchesShown = 3

/** Of what one may be or another: the kind that names itself wrongly, else what keeps it from being each of them. */
function unionSentence(issue: Extract<RawIssue, { code: 'invalid_union' }>): string {
  const { discriminator, options } = issue
  if (typeof discriminator === 'string' && Array.isArray(options)) {
    const said = z.looseObject({ [discriminator]: z.unknown() }).safeParse(issue.input)
    return valueSentence({ input: said.data?.[discriminator], path: issue.path }, options.map(String))
  }
  const branches = [...new Set(issue.errors.map(branchSentence))]
  return branches.length === 0 ? 'not accepted' : branches.slice(0, branchesShown).join('; or ')
}

const branchSentence = (issues: readonly z.core.$ZodIssue[]): string =>
  issues.map(({ path, message }) => (path.length === 0 ? message : `${path.join('.')} ${message}`)).join(' and ')
