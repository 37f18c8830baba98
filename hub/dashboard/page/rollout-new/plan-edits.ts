// What the form changes in the text of a plan, and nothing else: comments, the order of things, and what the form knows
// nothing of stay as they were written.

import {
  type Document,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  parseDocument,
  Scalar,
  type YAMLMap,
  type YAMLSeq,
} from 'yaml'
import { inOneLine, type PlanPath } from '../../../rollouts/plan/plan-text.ts'

export type Edit =
  /** Maps on the way that are missing are made. */
  | { kind: 'set'; path: PlanPath; value: unknown }
  | { kind: 'remove'; path: PlanPath }
  /** Into the list at `path`, which is made where it is missing. */
  | { kind: 'insert'; path: PlanPath; at: number; value: unknown }
  | { kind: 'move'; path: PlanPath; from: number; to: number }

/** The text after the edits; the text itself where one cannot be made (see `canEdit`). */
export function edited(text: string, edits: readonly Edit[]): string {
  return edits.reduce((before, edit) => editedOnce(before, edit) ?? before, text)
}

/** Whether what is at the path can be changed: not where other places of the text say the same by an anchor and aliases. */
export function canEdit(document: Document, path: PlanPath): boolean {
  let node: unknown = document.contents
  for (const step of path) {
    if (node === null || node === undefined) return true
    if (isScalar(node) && node.value === null) return true
    if (isNamed(node)) return false
    if (!isMap(node) && !isSeq(node)) return false
    if (isMap(node) && node.has('<<')) return false
    node = node.get(step, true)
  }
  return !isAlias(node) && !isNamed(node)
}

const isNamed = (node: unknown): boolean => isNode(node) && !isAlias(node) && node.anchor !== undefined

function editedOnce(text: string, edit: Edit): string | undefined {
  const document = parseDocument(text, { uniqueKeys: true })
  if (document.errors.length > 0 || !canEdit(document, edit.path)) return undefined
  try {
    return edit.kind === 'set' ? set(text, document, edit.path, edit.value) : restructured(text, document, edit)
  } catch {
    // an alias would stand before what it stands for
    return undefined
  }
}

/** One word for another, in its place: no line is touched besides. */
function set(text: string, document: Document, path: PlanPath, value: unknown): string {
  const there = document.getIn(path, true)
  if (
    isScalar(there) &&
    there.value !== null &&
    isPlain(value) &&
    there.range &&
    !isBlock(there) &&
    there.tag === undefined
  ) {
    const [start, end] = there.range
    return text.slice(0, start) + spelledLike(there, value) + text.slice(end)
  }
  const [last, ...rest] = [...path].reverse()
  const parent = mapAt(document, rest.reverse())
  if (parent === undefined || last === undefined) return text
  parent.set(last, inOneLine(document, value))
  return written(text, document)
}

function restructured(text: string, document: Document, edit: Exclude<Edit, { kind: 'set' }>): string {
  if (edit.kind === 'remove') {
    if (!document.hasIn(edit.path)) return text
    document.deleteIn(edit.path)
    return written(text, document)
  }
  const list = listAt(document, edit.path)
  if (list === undefined) return text
  if (edit.kind === 'insert') {
    if (list.items.length === 0 && edit.path.length === 1) list.flow = isJson(text)
    list.items.splice(edit.at, 0, inOneLine(document, edit.value))
  } else {
    const [item] = list.items.splice(edit.from, 1)
    if (item === undefined) return text
    list.items.splice(edit.to, 0, item)
  }
  return written(text, document)
}

function mapAt(document: Document, path: PlanPath): YAMLMap | YAMLSeq | undefined {
  if (path.length === 0) {
    if (!isMap(document.contents)) document.contents = document.createNode({})
    return isMap(document.contents) ? document.contents : undefined
  }
  const there = document.getIn(path, true)
  if (isMap(there) || isSeq(there)) return there
  const made = document.createNode({})
  made.flow = true
  mapAt(document, path.slice(0, -1))?.set(path.at(-1), made)
  return made
}

function listAt(document: Document, path: PlanPath): YAMLSeq | undefined {
  const there = document.getIn(path, true)
  if (isSeq(there)) return there
  const made: YAMLSeq = document.createNode([])
  mapAt(document, path.slice(0, -1))?.set(path.at(-1), made)
  return made
}

/** A JSON file keeps its lines; YAML keeps what stands in one line there. */
const written = (text: string, document: Document): string =>
  document.toString(
    isJson(text)
      ? { lineWidth: 100, defaultStringType: Scalar.QUOTE_DOUBLE, defaultKeyType: Scalar.QUOTE_DOUBLE }
      : { lineWidth: 0 },
  )

const isJson = (text: string): boolean => text.trimStart().startsWith('{')
const isPlain = (value: unknown): value is string | number | boolean =>
  ['string', 'number', 'boolean'].includes(typeof value)
const isBlock = ({ type }: Scalar): boolean => type === Scalar.BLOCK_FOLDED || type === Scalar.BLOCK_LITERAL

/** In quotes where the one before had them, or where it would be something else without. */
function spelledLike({ type }: Scalar, value: string | number | boolean): string {
  if (typeof value !== 'string') return JSON.stringify(value)
  const needsQuotes = !/^[A-Za-z][\w ./%=-]*[\w%]$|^[A-Za-z]$|^\d+(\.\d+)? ?[a-z]+$/.test(value) || isWord(value)
  return needsQuotes || type === Scalar.QUOTE_DOUBLE || type === Scalar.QUOTE_SINGLE ? JSON.stringify(value) : value
}

/** What YAML reads as something else than text. */
const isWord = (value: string): boolean => /^(true|false|null|yes|no|on|off|y|n)$|^\d+e\d+$|^0[xo]|^\./i.test(value)
