// Reads a rule. A fault says at which character it is and what could stand there.

import {
  type Bound,
  type ByteUnit,
  bareName,
  byteUnits,
  type Comparator,
  comparators,
  type Metric,
  metricName,
  type Quantity,
  type Rule,
  versionMeasures,
} from './rule.ts'

/** `at`: offset of the character that does not fit, for a caret under it. */
export type RuleFault = { at: number; message: string }
export type ParsedRule = { ok: true; rule: Rule } | ({ ok: false } & RuleFault)

export const ruleLengthMax = 500

/** rule := "runs" "on" profile | metric comparator bound [ "with" percent "%" "confidence" ];
 *  metric := "size" | "parameters" | "metrics." name | figure [ "[" name [ "=" name ] "]" ];
 *  bound := quantity | "champion" [ ("+" | "-") quantity | "*" factor ];  quantity := number [ unit of bytes ];
 *  name := bare word | "text in quotes, \" and \\ escaped". */
export function parseRule(text: string): ParsedRule {
  if (text.length > ruleLengthMax) {
    return { ok: false, at: ruleLengthMax, message: `a rule is at most ${ruleLengthMax} characters` }
  }
  try {
    const scanner = new Scanner(text)
    const rule = readRule(scanner)
    scanner.needEnd()
    return { ok: true, rule }
  } catch (error) {
    if (error instanceof RuleSyntaxError) return { ok: false, at: error.at, message: error.message }
    throw error
  }
}

class RuleSyntaxError extends Error {
  readonly at: number
  constructor(at: number, message: string) {
    super(message)
    this.at = at
  }
}

const profileName = /[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?/
const number = /[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?/
const word = /[A-Za-z]+/

function readRule(scanner: Scanner): Rule {
  const start = scanner.at
  const metric = readMetric(scanner)
  if (metric.source === 'evaluation' && metric.name === 'runs' && scanner.takeWord('on')) {
    return { kind: 'runs-on', profile: scanner.need(profileName, 'the name of a device profile') }
  }
  const comparator = readComparator(scanner)
  const bound = readBound(scanner, metric)
  const sureAt = scanner.at
  const confidence = readConfidence(scanner)
  if (confidence === undefined) return { kind: 'compare', metric, comparator, bound }
  assertHasInterval(metric, bound, sureAt, start)
  return { kind: 'compare', metric, comparator, bound, confidence }
}

function readMetric(scanner: Scanner): Metric {
  const { at } = scanner
  const name = scanner.need(metricName, 'the name of a metric, or "runs on"')
  if (name === 'metrics') {
    scanner.needSign('.')
    return { source: 'registration', name: readName(scanner, 'the name of a metric of the registration') }
  }
  if (name === 'champion') throw new RuleSyntaxError(at, 'champion stands on the right: write the metric first')
  const measure = versionMeasures.find((known) => known === name)
  if (measure !== undefined) return { source: 'version', name: measure }
  if (!scanner.takeSign('[')) return { source: 'evaluation', name }
  const column = readName(scanner, 'the name of a column')
  if (scanner.takeSign(']')) return { source: 'evaluation', name, slice: { column } }
  if (!scanner.takeSign('=')) throw scanner.expected('= or ]')
  const value = readName(scanner, 'a value of the column')
  scanner.needSign(']')
  return { source: 'evaluation', name, slice: { column, value } }
}

const nameLengthMax = 200

function readName(scanner: Scanner, what: string): string {
  const { at } = scanner
  const name = scanner.takeQuoted() ?? scanner.need(bareName, what)
  if (name.length > nameLengthMax) throw new RuleSyntaxError(at, `a name is at most ${nameLengthMax} characters`)
  return name
}

function readComparator(scanner: Scanner): Comparator {
  const found = comparators.find((comparator) => scanner.takeSign(comparator))
  if (found === undefined) throw scanner.expected('>=, <=, > or <')
  return found
}

function readBound(scanner: Scanner, metric: Metric): Bound {
  if (!scanner.takeWord('champion')) {
    return { kind: 'number', quantity: readQuantity(scanner, metric, 'a number or "champion"') }
  }
  if (scanner.takeSign('*')) {
    const { at } = scanner
    const factor = readNumber(scanner, 'a factor')
    if (factor <= 0) throw new RuleSyntaxError(at, 'a factor is more than 0')
    return { kind: 'share-of-champion', factor }
  }
  const sign = scanner.takeSign('-') ? -1 : scanner.takeSign('+') ? 1 : undefined
  if (sign === undefined) return { kind: 'champion', offset: { number: 0 } }
  const { at } = scanner
  const quantity = readQuantity(scanner, metric, 'a number')
  if (quantity.number < 0) throw new RuleSyntaxError(at, 'the sign stands before already')
  return quantity.number === 0
    ? { kind: 'champion', offset: { number: 0 } }
    : { kind: 'champion', offset: { ...quantity, number: sign * quantity.number } }
}

function readQuantity(scanner: Scanner, metric: Metric, what: string): Quantity {
  const read = readNumber(scanner, what)
  const { at } = scanner
  const unit = scanner.peekWord()
  if (unit === undefined || unit === 'with') return { number: read }
  if (metric.source !== 'version' || metric.name !== 'size') {
    throw new RuleSyntaxError(at, `only size has a unit; expected "with" or the end, found ${JSON.stringify(unit)}`)
  }
  if (!isByteUnit(unit)) {
    throw new RuleSyntaxError(
      at,
      `expected one of ${Object.keys(byteUnits).join(', ')}, or "with", found ${JSON.stringify(unit)}`,
    )
  }
  scanner.need(word, 'a unit')
  return { number: read, unit }
}

const isByteUnit = (text: string): text is ByteUnit => Object.hasOwn(byteUnits, text)

function readNumber(scanner: Scanner, what: string): number {
  const { at } = scanner
  const value = Number(scanner.need(number, what))
  if (!Number.isFinite(value)) throw new RuleSyntaxError(at, 'the number is too large')
  return value === 0 ? 0 : value // no -0: it would be printed without its sign
}

function readConfidence(scanner: Scanner): number | undefined {
  if (!scanner.takeWord('with')) return undefined
  const { at } = scanner
  const percent = readNumber(scanner, 'a confidence in percent')
  if (percent <= 50 || percent >= 100)
    throw new RuleSyntaxError(at, 'a confidence is more than 50 % and less than 100 %')
  scanner.needSign('%')
  if (!scanner.takeWord('confidence')) throw scanner.expected('"confidence"')
  return percent
}

/** Only what was measured on a sample of rows can be more or less sure. */
function assertHasInterval(metric: Metric, bound: Bound, sureAt: number, start: number): void {
  if (metric.source === 'version') {
    throw new RuleSyntaxError(sureAt, `${metric.name} is known exactly: leave out the confidence`)
  }
  if (metric.source === 'registration') {
    const detail =
      'a number that the registration brought has no interval: leave out the confidence, or compare a figure'
    throw new RuleSyntaxError(sureAt, `${detail} of the evaluation`)
  }
  if (bound.kind === 'share-of-champion') {
    const detail = 'evaluations hold intervals of differences, not of ratios: write champion + or - a number'
    throw new RuleSyntaxError(start, `${detail}, or leave out the confidence`)
  }
}

/** The text from one thing to the next, spaces between them skipped. */
class Scanner {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
    this.#skip()
  }

  /** Where the next thing begins. */
  get at(): number {
    return this.#at
  }

  need(pattern: RegExp, what: string): string {
    const found = this.#match(pattern)
    if (found === undefined) throw this.expected(what)
    return found
  }

  takeSign(sign: string): boolean {
    if (!this.#text.startsWith(sign, this.#at)) return false
    this.#move(sign.length)
    return true
  }

  needSign(sign: string): void {
    if (!this.takeSign(sign)) throw this.expected(sign)
  }

  takeWord(text: string): boolean {
    if (this.peekWord() !== text) return false
    this.#move(text.length)
    return true
  }

  peekWord(): string | undefined {
    return matchAt(/[A-Za-z]\w*/, this.#text, this.#at)
  }

  takeQuoted(): string | undefined {
    if (this.#text[this.#at] !== '"') return undefined
    const found = this.#match(/"(?:[^"\\\p{Cc}]|\\["\\])*"/u)
    if (found === undefined) throw new RuleSyntaxError(this.#at, 'a text in quotes that does not end')
    return found.slice(1, -1).replaceAll(/\\(.)/gu, '$1')
  }

  needEnd(): void {
    if (this.#at < this.#text.length) throw this.expected('"with … % confidence" or the end of the rule')
  }

  expected(what: string): RuleSyntaxError {
    const next = matchAt(/[\p{L}\p{N}_]+|./su, this.#text, this.#at)
    const found = next === undefined ? 'the end' : JSON.stringify(next)
    return new RuleSyntaxError(this.#at, `expected ${what}, found ${found}`)
  }

  #match(pattern: RegExp): string | undefined {
    const found = matchAt(pattern, this.#text, this.#at)
    if (found !== undefined) this.#move(found.length)
    return found
  }

  #move(by: number): void {
    this.#at += by
    this.#skip()
  }

  #skip(): void {
    this.#at += matchAt(/[ \t\r\n]*/, this.#text, this.#at)?.length ?? 0
  }
}

function matchAt(pattern: RegExp, text: string, at: number): string | undefined {
  const sticky = new RegExp(pattern.source, `${pattern.flags.replace('y', '')}y`)
  sticky.lastIndex = at
  return sticky.exec(text)?.[0]
}
