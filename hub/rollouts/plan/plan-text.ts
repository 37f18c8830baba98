// A plan as people write it: YAML, of which JSON is a part. Reading it says where what is wrong stands, and where in the
// text a field of the plan is, so that what is said of the field can be shown there.

import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isPair,
  isScalar,
  isSeq,
  type Node,
  parseDocument,
  Scalar,
  visit,
} from 'yaml'

/** `line` and `column` begin at 1, `offset` at 0. */
export type Place = { offset: number; line: number; column: number }
export type TextFault = Place & { message: string }
export type PlanText = { ok: true; plan: object; document: Document } | { ok: false; fault: TextFault }
export type PlanPath = readonly (string | number)[]

/** An alias stands for at most so many nodes: a small text cannot become a large plan. */
const aliasesMax = 100

export function readPlanText(text: string): PlanText {
  const document = parseDocument(text, { prettyErrors: true, uniqueKeys: true })
  const [error] = document.errors
  if (error !== undefined) {
    const message = error.message.split('\n')[0] ?? error.code
    return { ok: false, fault: { ...placeAt(text, error.pos[0]), message } }
  }
  const start = { ...placeAt(text, 0) }
  try {
    const plan: unknown = document.toJS({ maxAliasCount: aliasesMax })
    if (typeof plan === 'object' && plan !== null) return { ok: true, plan, document }
    return { ok: false, fault: { ...start, message: 'holds no plan: write stages: and a list of them' } }
  } catch (error) {
    return { ok: false, fault: { ...start, message: error instanceof Error ? error.message : String(error) } }
  }
}

/** Where a field stands, or as much of its path as is there. `bakeMs` is also found where it is written as `bake`. */
export function placeOf(text: string, document: Document, path: PlanPath): Place {
  let node: unknown = document.contents
  let offset = startOf(node) ?? 0
  for (const step of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (!isCollection(node)) break
    const item = itemAt(node, step)
    if (item === undefined) break
    offset = startOf(isPair(item) ? item.key : item) ?? offset
    node = isPair(item) ? item.value : item
  }
  return placeAt(text, offset)
}

function itemAt(node: unknown, step: string | number): unknown {
  if (isSeq(node)) return node.items[Number(step)]
  if (!isMap(node)) return undefined
  const named = (name: string) => node.items.find(({ key }) => (isScalar(key) ? key.value : key) === name)
  return named(String(step)) ?? named(String(step).replace(/Ms$/, ''))
}

/** A value as it is written into a plan: in one line, times of day in quotes, since older readers take 01:00 for a number. */
export function inOneLine(document: Document, value: unknown): Node {
  const node = document.createNode(value)
  visit(node, {
    Collection: (_, collection) => {
      collection.flow = true
    },
    Scalar: (_, scalar) => {
      if (typeof scalar.value === 'string' && /^\d\d?:\d\d$/.test(scalar.value)) scalar.type = Scalar.QUOTE_DOUBLE
    },
  })
  return node
}

const startOf = (node: unknown): number | undefined => (isNode(node) ? node.range?.[0] : undefined)

export function placeAt(text: string, offset: number): Place {
  const before = text.slice(0, offset).split('\n')
  return { offset, line: before.length, column: (before.at(-1) ?? '').length + 1 }
}
