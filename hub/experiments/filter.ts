// MLflow's filter language: comparisons joined by AND, such as
// `metrics.rmse < 0.5 AND params."learning rate" = '0.1' AND tags.team LIKE 'edge%' AND start_time > 1700000000000`.
// Text in, plain data out; what the data means in SQL is said where it is searched (run-filter.ts).

export type Entity = 'metric' | 'param' | 'tag' | 'attribute' | 'dataset'
export type Key = { entity: Entity; key: string }
export type NumberOperator = '=' | '!=' | '<' | '<=' | '>' | '>='
export type TextOperator = '=' | '!=' | 'LIKE' | 'ILIKE'
/** One comparison. `absent` is IS NULL, `present` IS NOT NULL. */
export type Comparison = Key &
  (
    | { kind: 'number'; operator: NumberOperator; value: number }
    | { kind: 'text'; operator: TextOperator; value: string }
    | { kind: 'list'; operator: 'IN' | 'NOT IN'; values: string[] }
    | { kind: 'absent' | 'present' }
  )
export type Order = Key & { descending: boolean }

/** What may be compared: attributes by every name they go by, and the entities beside them. */
export type Vocabulary = {
  entities: readonly Entity[]
  attributes: Readonly<Record<string, { name: string; type: 'number' | 'text' }>>
}

/** Says what is wrong and where. */
export class FilterError extends Error {
  override readonly name = 'FilterError'
}

const filterLengthMax = 100_000
/** Each may become a join; SQLite joins 64 tables. */
const comparisonsMax = 25
/** Each % makes matching longer by a factor. */
const wildcardsMax = 8

const entities: Readonly<Record<string, Entity>> = {
  metric: 'metric',
  metrics: 'metric',
  param: 'param',
  params: 'param',
  parameter: 'param',
  parameters: 'param',
  tag: 'tag',
  tags: 'tag',
  attribute: 'attribute',
  attributes: 'attribute',
  attr: 'attribute',
  run: 'attribute',
  dataset: 'dataset',
  datasets: 'dataset',
}
const datasetKeys = ['name', 'digest', 'context']

/** @throws FilterError */
export function parseFilter(text: string, vocabulary: Vocabulary): Comparison[] {
  const words = tokenise(text)
  const comparisons: Comparison[] = []
  while (!words.ended) {
    if (comparisons.length > 0) words.take('AND')
    comparisons.push(comparison(words, vocabulary))
    if (comparisons.length > comparisonsMax) throw new FilterError(`a filter has at most ${comparisonsMax} comparisons`)
  }
  return comparisons
}

/** One term of an order, such as `metrics.rmse DESC`.
 *  @throws FilterError */
export function parseOrder(text: string, vocabulary: Vocabulary): Order {
  const words = tokenise(text)
  const key = keyOf(words.next(), vocabulary)
  if (key.entity === 'dataset') throw new FilterError('runs are not ordered by datasets')
  const direction = words.ended ? 'ASC' : words.next().text.toUpperCase()
  if (!words.ended || (direction !== 'ASC' && direction !== 'DESC')) {
    throw new FilterError(`Invalid order_by clause '${text}': it is a key, then ASC or DESC`)
  }
  return { ...key, descending: direction === 'DESC' }
}

function comparison(words: Words, vocabulary: Vocabulary): Comparison {
  const key = keyOf(words.next(), vocabulary)
  const said = words.next()
  const operator = said.kind === 'word' ? said.text.toUpperCase() : said.text
  if (operator === 'IS') {
    const negated = words.takeIf('NOT')
    words.take('NULL')
    if (key.entity !== 'param' && key.entity !== 'tag') {
      throw new FilterError('IS NULL and IS NOT NULL are for tags and params')
    }
    return { ...key, kind: negated ? 'present' : 'absent' }
  }
  if (operator === 'IN' || operator === 'NOT') {
    if (operator === 'NOT') words.take('IN')
    return { ...key, kind: 'list', operator: operator === 'IN' ? 'IN' : 'NOT IN', values: list(words, key, vocabulary) }
  }
  return isNumber(key, vocabulary) ? numberComparison(key, operator, words) : textComparison(key, operator, words)
}

function numberComparison(key: Key, operator: string, words: Words): Comparison {
  if (!isOneOf(numberOperators, operator)) {
    throw new FilterError(
      `Invalid comparator '${operator}' for ${nameOf(key)}: use one of ${numberOperators.join(' ')}`,
    )
  }
  const value = words.next()
  if (value.kind !== 'number') {
    throw new FilterError(`Expected numeric value type for ${nameOf(key)}. Found ${value.text}`)
  }
  return { ...key, kind: 'number', operator, value: Number(value.text) }
}

function textComparison(key: Key, operator: string, words: Words): Comparison {
  if (!isOneOf(textOperators, operator)) {
    throw new FilterError(`Invalid comparator '${operator}' for ${nameOf(key)}: use one of ${textOperators.join(' ')}`)
  }
  const value = quoted(words, key)
  if (operator.endsWith('LIKE') && value.split('%').length - 1 > wildcardsMax) {
    throw new FilterError(`a pattern has at most ${wildcardsMax} times %`)
  }
  return { ...key, kind: 'text', operator, value }
}

const numberOperators = ['=', '!=', '<', '<=', '>', '>='] as const
const textOperators = ['=', '!=', 'LIKE', 'ILIKE'] as const
const isOneOf = <T extends string>(list: readonly T[], text: string): text is T => list.some((item) => item === text)

function list(words: Words, key: Key, vocabulary: Vocabulary): string[] {
  if (isNumber(key, vocabulary) || (key.entity !== 'attribute' && key.entity !== 'dataset')) {
    throw new FilterError(`${nameOf(key)} is not compared with a list`)
  }
  words.take('(')
  const values = [quoted(words, key)]
  while (words.takeIf(',')) values.push(quoted(words, key))
  words.take(')')
  return values
}

function quoted(words: Words, key: Key): string {
  const token = words.next()
  if (token.kind !== 'quoted' || token.path.length !== 1) {
    throw new FilterError(
      `Expected a quoted string value for ${nameOf(key)} (e.g. 'my-value'). Got value ${token.text}`,
    )
  }
  return token.text
}

function keyOf(token: Token, { entities: known, attributes }: Vocabulary): Key {
  if (token.kind !== 'word' && token.kind !== 'quoted') {
    throw new FilterError(
      `Invalid clause(s) in filter string: expected a key such as metrics.rmse, found '${token.text}'`,
    )
  }
  const [first = '', ...rest] = token.path
  const entity = rest.length === 0 ? 'attribute' : entities[first]
  const key = rest.length === 0 ? first : rest.join('.')
  if (entity === undefined || !known.includes(entity)) {
    throw new FilterError(`Invalid entity type '${first}'. Valid values are ${known.join(', ')}`)
  }
  if (entity === 'attribute') {
    const attribute = Object.hasOwn(attributes, key) ? attributes[key] : undefined
    if (attribute !== undefined) return { entity, key: attribute.name }
    throw new FilterError(
      `Invalid attribute key '${key}' specified. Valid keys are ${Object.keys(attributes).join(', ')}`,
    )
  }
  if (entity === 'dataset' && !datasetKeys.includes(key)) {
    throw new FilterError(`Invalid dataset key '${key}' specified. Valid keys are ${datasetKeys.join(', ')}`)
  }
  return { entity, key }
}

const isNumber = ({ entity, key }: Key, { attributes }: Vocabulary): boolean =>
  entity === 'metric' || (entity === 'attribute' && attributes[key]?.type === 'number')
const nameOf = ({ entity, key }: Key): string => `${entity} '${key}'`

/** `path`: a key's parts, `tags."a b"` as ['tags', 'a b']; the text itself of what is no key. */
type Token = { kind: 'word' | 'quoted' | 'number' | 'sign'; text: string; path: string[] }

type Words = {
  readonly ended: boolean
  next(): Token
  /** The word or sign that must come now. */
  take(text: string): void
  takeIf(text: string): boolean
}

const quotedPattern = `'(?:[^']|'')*'|"(?:[^"]|"")*"|${'`'}[^${'`'}]*${'`'}`
const barePattern = String.raw`[^\s=!<>()'"${'`'},.]+`
const tokenPattern = new RegExp(
  [
    String.raw`\s*(?:`,
    String.raw`(?<number>[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.]))`,
    String.raw`|(?<sign><=|>=|!=|=|<|>|\(|\)|,)`,
    String.raw`|(?<path>(?:${quotedPattern}|${barePattern})(?:\.(?:${quotedPattern}|${barePattern}))*)`,
    ')',
  ].join(''),
  'y',
)
const partPattern = new RegExp(`${quotedPattern}|${barePattern}`, 'g')

function tokenise(text: string): Words {
  if (text.length > filterLengthMax) throw new FilterError(`a filter has at most ${filterLengthMax} characters`)
  const tokens: Token[] = []
  const end = text.trimEnd().length
  for (let at = 0; at < end; ) {
    tokenPattern.lastIndex = at
    const found = tokenPattern.exec(text)?.groups
    if (found === undefined) throw new FilterError(`Invalid clause(s) in filter string: '${text.slice(at, at + 40)}'`)
    at = tokenPattern.lastIndex
    tokens.push(tokenOf(found))
  }
  let index = 0
  const is = (token: Token | undefined, wanted: string) =>
    token !== undefined && token.kind !== 'quoted' && token.text.toUpperCase() === wanted
  const next = () => {
    const token = tokens[index++]
    if (token === undefined) throw new FilterError('Invalid clause(s) in filter string: it ends too early')
    return token
  }
  return {
    get ended() {
      return index >= tokens.length
    },
    next,
    take: (wanted) => {
      const token = next()
      if (!is(token, wanted)) {
        throw new FilterError(`Invalid clause(s) in filter string: expected ${wanted}, found '${token.text}'`)
      }
    },
    takeIf: (wanted) => {
      if (!is(tokens[index], wanted)) return false
      index += 1
      return true
    },
  }
}

function tokenOf({ number, sign, path = '' }: Record<string, string | undefined>): Token {
  if (number !== undefined) return { kind: 'number', text: number, path: [number] }
  if (sign !== undefined) return { kind: 'sign', text: sign, path: [sign] }
  const parts = (path.match(partPattern) ?? []).map(unquoted)
  return { kind: /^['"`]/.test(path) ? 'quoted' : 'word', text: parts.join('.'), path: parts }
}

/** A doubled quote within quotes is one quote, as in SQL. */
function unquoted(part: string): string {
  const quote = part.charAt(0)
  if (quote !== "'" && quote !== '"' && quote !== '`') return part
  return part.slice(1, -1).replaceAll(quote + quote, quote)
}
