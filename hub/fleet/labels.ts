// Labels of devices and the language groups are written in: `site = north and profile = raspberry-pi-5`.
// A group is its query, evaluated when needed; parsing and matching are pure.

import { z } from 'zod'

/** What every device has besides its labels. */
const builtInKeys = ['id', 'profile'] as const
const words = ['and', 'or', 'not', 'in', 'exists', 'all'] as const
const reserved: ReadonlySet<string> = new Set([...builtInKeys, ...words])

const labelsMax = 64
const keyPattern = /^[a-z0-9](?:[a-z0-9._/-]{0,61}[a-z0-9])?$/

export const LabelKey = z
  .string()
  .regex(
    keyPattern,
    'use 1 to 63 lower-case letters, digits, ".", "_", "/" and "-", beginning and ending with a letter or digit',
  )
  .refine((key) => !reserved.has(key), { error: ({ input }) => `${input} is a word of the query language` })
/** Printable, at most 253 characters. */
export const LabelValue = z
  .string()
  .max(253, 'at most 253 printable characters')
  // no pattern: few of those who read the OpenAPI document know \p
  .refine((value) => !/\p{Cc}/u.test(value), 'at most 253 printable characters')
export const Labels = z
  .record(LabelKey, LabelValue)
  .refine((labels) => Object.keys(labels).length <= labelsMax, `at most ${labelsMax} labels`)
export type Labels = z.infer<typeof Labels>

/** The labels with some changed: null takes one away, the others stay. `ok` false: there would be too many. */
export function mergeLabels(
  before: Labels,
  change: Readonly<Record<string, string | null>>,
): { ok: true; labels: Labels } | { ok: false; detail: string } {
  const merged = new Map(Object.entries(before))
  for (const [key, value] of Object.entries(change)) {
    if (value === null) merged.delete(key)
    else merged.set(key, value)
  }
  const parsed = Labels.safeParse(Object.fromEntries(merged))
  if (parsed.success) return { ok: true, labels: parsed.data }
  return { ok: false, detail: parsed.error.issues.map(({ message }) => message).join('; ') }
}

export type Labelled = { id: string; profile: string; labels: Readonly<Record<string, string>> }

/** `in` with one value is `=`; `!=` and `not in` are `not`. */
export type Query =
  | { kind: 'all' }
  | { kind: 'in'; key: string; values: readonly string[] }
  | { kind: 'exists'; key: string }
  | { kind: 'not'; query: Query }
  | { kind: 'and' | 'or'; queries: readonly Query[] }

/** `at`: offset of the character that does not fit, for a caret under it. */
export type QueryFault = { at: number; message: string }
export type ParsedQuery = { ok: true; query: Query } | ({ ok: false } & QueryFault)

export const queryLengthMax = 2_000
const depthMax = 32
const keywords: ReadonlySet<string> = new Set(words)

/** Whether the query holds for the device. A device without the label is not `in`, hence it is `!=`. */
export function matches(query: Query, device: Labelled): boolean {
  switch (query.kind) {
    case 'all':
      return true
    case 'in': {
      const value = labelOf(device, query.key)
      return value !== undefined && query.values.includes(value)
    }
    case 'exists':
      return labelOf(device, query.key) !== undefined
    case 'not':
      return !matches(query.query, device)
    case 'and':
      return query.queries.every((part) => matches(part, device))
    case 'or':
      return query.queries.some((part) => matches(part, device))
  }
}

function labelOf(device: Labelled, key: string): string | undefined {
  if (key === 'id') return device.id
  if (key === 'profile') return device.profile
  return Object.hasOwn(device.labels, key) ? device.labels[key] : undefined
}

/** query := and { "or" and };  and := unary { "and" unary };  unary := "not" unary | "(" query ")" | condition;
 *  condition := "all" | "exists" key | key ("=" | "!=") value | key ["not"] "in" "(" value { "," value } ")";
 *  value := bare word | "text in quotes, \" and \\ escaped". */
export function parseQuery(text: string): ParsedQuery {
  if (text.length > queryLengthMax) {
    return { ok: false, at: queryLengthMax, message: `a query is at most ${queryLengthMax} characters` }
  }
  try {
    const tokens = new Tokens(text)
    const query = parseOr(tokens, 0)
    const rest = tokens.peek()
    if (rest.kind !== 'end') throw expected('and, or, or the end of the query', rest)
    return { ok: true, query }
  } catch (error) {
    if (error instanceof QuerySyntaxError) return { ok: false, at: error.at, message: error.message }
    throw error
  }
}

class QuerySyntaxError extends Error {
  readonly at: number
  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

type Token = { kind: 'word' | 'quoted' | 'sign' | 'end'; text: string; at: number }

const expected = (what: string, { kind, text, at }: Token): QuerySyntaxError =>
  new QuerySyntaxError(at, `expected ${what}, found ${kind === 'end' ? 'the end' : JSON.stringify(text)}`)

function parseOr(tokens: Tokens, depth: number): Query {
  return parseChain(tokens, 'or', () => parseAnd(tokens, depth))
}

function parseAnd(tokens: Tokens, depth: number): Query {
  return parseChain(tokens, 'and', () => parseUnary(tokens, depth))
}

function parseChain(tokens: Tokens, kind: 'and' | 'or', parsePart: () => Query): Query {
  const first = parsePart()
  const queries = [first]
  while (tokens.takeWord(kind)) queries.push(parsePart())
  return queries.length === 1 ? first : { kind, queries }
}

function parseUnary(tokens: Tokens, depth: number): Query {
  const { at } = tokens.peek()
  if (depth >= depthMax) throw new QuerySyntaxError(at, `more than ${depthMax} parentheses and "not" within each other`)
  if (tokens.takeWord('not')) return { kind: 'not', query: parseUnary(tokens, depth + 1) }
  if (tokens.takeSign('(')) {
    const query = parseOr(tokens, depth + 1)
    tokens.needSign(')')
    return query
  }
  return parseCondition(tokens)
}

function parseCondition(tokens: Tokens): Query {
  if (tokens.takeWord('all')) return { kind: 'all' }
  if (tokens.takeWord('exists')) return { kind: 'exists', key: parseKey(tokens) }
  const key = parseKey(tokens)
  if (tokens.takeSign('=')) return { kind: 'in', key, values: [parseValue(tokens)] }
  if (tokens.takeSign('!=')) return { kind: 'not', query: { kind: 'in', key, values: [parseValue(tokens)] } }
  const negated = tokens.takeWord('not')
  if (!tokens.takeWord('in')) throw expected(negated ? '"in"' : '=, !=, "in" or "not in"', tokens.peek())
  const query: Query = { kind: 'in', key, values: parseValues(tokens) }
  return negated ? { kind: 'not', query } : query
}

function parseValues(tokens: Tokens): string[] {
  tokens.needSign('(')
  const values = [parseValue(tokens)]
  while (tokens.takeSign(',')) values.push(parseValue(tokens))
  tokens.needSign(')')
  return values
}

function parseKey(tokens: Tokens): string {
  const token = tokens.peek()
  if (token.kind !== 'word' || keywords.has(token.text)) throw expected('the name of a label', token)
  if (!keyPattern.test(token.text)) throw new QuerySyntaxError(token.at, `${token.text} cannot be the name of a label`)
  return tokens.take().text
}

function parseValue(tokens: Tokens): string {
  const token = tokens.peek()
  if (token.kind !== 'word' && token.kind !== 'quoted') throw expected('a value', token)
  return tokens.take().text
}

const spaces = /[ \t\r\n]*/y
const word = /[\p{L}\p{N}._:/@+-]+/uy
const sign = /!=|[=(),]/y
const quoted = /"((?:[^"\\\p{Cc}]|\\["\\])*)"/uy

/** The query's tokens, one looked at ahead. */
class Tokens {
  readonly #text: string
  #next: Token
  #end = 0

  constructor(text: string) {
    this.#text = text
    this.#next = this.#read()
  }

  peek(): Token {
    return this.#next
  }

  take(): Token {
    const token = this.#next
    this.#next = this.#read()
    return token
  }

  takeWord(text: string): boolean {
    return this.#takeIf('word', text)
  }

  takeSign(text: string): boolean {
    return this.#takeIf('sign', text)
  }

  needSign(text: string): void {
    if (!this.takeSign(text)) throw expected(text, this.#next)
  }

  #takeIf(kind: Token['kind'], text: string): boolean {
    if (this.#next.kind !== kind || this.#next.text !== text) return false
    this.take()
    return true
  }

  #read(): Token {
    this.#match(spaces)
    const at = this.#end
    if (at === this.#text.length) return { kind: 'end', text: '', at }
    const bare = this.#match(word)
    if (bare !== undefined) return { kind: 'word', text: bare, at }
    const symbol = this.#match(sign)
    if (symbol !== undefined) return { kind: 'sign', text: symbol, at }
    const inQuotes = this.#match(quoted)
    if (inQuotes !== undefined) return { kind: 'quoted', text: inQuotes.slice(1, -1).replaceAll(/\\(.)/g, '$1'), at }
    const what = this.#text[at] === '"' ? 'a text in quotes that does not end' : JSON.stringify(this.#text[at])
    throw new QuerySyntaxError(at, `${what} cannot stand here`)
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#end
    const text = pattern.exec(this.#text)?.[0]
    if (text !== undefined) this.#end += text.length
    return text
  }
}
