// The form of a rollout's plan changes its text: what it means changes as meant, and nothing else does.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Document, isCollection, isMap, isSeq, parse, visit } from 'yaml'
import { canEdit, type Edit, edited } from '../../../hub/dashboard/page/rollout-new/plan-edits.ts'
import { readPlanText } from '../../../hub/rollouts/plan/plan-text.ts'
import { writtenPlan } from '../../../hub/rollouts/plan/written-plan.ts'
import { aGate, aPlan } from '../../builders/plans.ts'

const seed = 1612

type Path = (string | number)[]
type Tree = { [key: string]: unknown } | unknown[]

/** The same change of plain data. */
function changed(plan: object, edit: Edit): unknown {
  const copy: unknown = structuredClone(plan)
  const childOf = (parent: unknown, step: string | number) => (parent as Record<string | number, unknown>)[step]
  const parentOf = (path: Path, empty: () => Tree): Tree => {
    let at = copy as Tree
    path.forEach((step, i) => {
      const container = at as Record<string | number, unknown>
      container[step] ??= i === path.length - 1 ? empty() : {}
      at = childOf(at, step) as Tree
    })
    return at
  }
  const path = [...edit.path]
  if (edit.kind === 'set' || edit.kind === 'remove') {
    const last = path.pop() ?? ''
    if (edit.kind === 'set')
      Object.assign(
        parentOf(path, () => ({})),
        { [last]: edit.value },
      )
    else {
      const parent = path.reduce<unknown>((at, step) => (at === undefined ? undefined : childOf(at, step)), copy)
      if (Array.isArray(parent)) parent.splice(Number(last), 1)
      else if (parent !== undefined) delete (parent as Record<string, unknown>)[last]
    }
    return copy
  }
  const list = parentOf(path, () => []) as unknown[]
  if (edit.kind === 'insert') list.splice(edit.at, 0, edit.value)
  else list.splice(edit.to, 0, ...list.splice(edit.from, 1))
  return copy
}

/** YAML in lines or in a line, or JSON, with comments and fields that no form knows. */
const aText = fc
  .tuple(aPlan(), fc.infiniteStream(fc.boolean()), fc.constantFrom('yaml', 'json', 'json in lines'), fc.integer())
  .map(([plan, coins, kind, n]) => {
    const written = { owner: 'x', ...writtenPlan(plan), 'x-notes': { ticket: n, tags: ['a', 'b'] } }
    if (kind === 'json') return { text: JSON.stringify(written), comments: [] }
    if (kind === 'json in lines') return { text: JSON.stringify(written, null, 2), comments: [] }
    const document = new Document(written)
    const comments: string[] = []
    const flip = () => coins.next().value === true
    visit(document, (key, node, path) => {
      if (!isCollection(node)) return
      const parent = path.at(-1)
      const isInFlow = path.some((above) => isCollection(above) && above.flow === true)
      node.flow = isInFlow || (path.length > 1 && flip())
      if (isSeq(parent) && !isInFlow && key !== null && flip()) {
        const comment = ` note ${comments.length} of it`
        comments.push(comment)
        if (node.flow === true) node.comment = comment
        else node.commentBefore = comment
      }
    })
    return { text: document.toString({ lineWidth: 0 }), comments }
  })

const word = fc.oneof(
  fc.constantFrom(
    '1h',
    '90m',
    'site = lab',
    '12',
    '1e3',
    'true',
    'null',
    'yes',
    '',
    ' a',
    'a: b',
    'a, b',
    '#',
    '01:00',
    '"',
    "it's",
    '<<',
    '0x1f',
    '- a',
    '1.5',
    '~',
    '.5',
    'a}',
  ),
  fc.string({ maxLength: 10, unit: 'grapheme' }),
)
const value = fc.oneof(word, fc.integer(), fc.constantFrom(0.25, 1e-7, 1e21), fc.boolean())
const listPath = fc.constantFrom<Path>(['stages'], ['gates'], ['stages', 0, 'gates'])
const anEdit: fc.Arbitrary<Edit> = fc.oneof(
  fc.record({
    kind: fc.constant('set' as const),
    path: fc.constantFrom<Path>(
      ['stages', 0, 'name'],
      ['stages', 0, 'bake'],
      ['stages', 0, 'where'],
      ['stages', 0, 'hold'],
      ['gates', 0, 'margin'],
      ['pace', 'devicesPerMinute'],
      ['window', 'from'],
      ['quorum'],
      ['stageTimeLimit'],
    ),
    value,
  }),
  fc.record({
    kind: fc.constant('remove' as const),
    path: fc.constantFrom<Path>(['stages', 0], ['stages', 0, 'bake'], ['gates', 0], ['gates'], ['window'], ['nothing']),
  }),
  fc.record({ kind: fc.constant('insert' as const), path: listPath, at: fc.constant(0), value: aGate() }),
  fc.record({ kind: fc.constant('move' as const), path: listPath, from: fc.nat(1), to: fc.nat(1) }),
)

/** What the form would not ask for: an item of a list that is not there. */
const isThere = (plan: object, { path, ...edit }: Edit): boolean => {
  const at = (steps: Path) => steps.reduce<unknown>((tree, step) => (tree as Tree | undefined)?.[step as never], plan)
  const upToIndex = path.findLastIndex((step) => typeof step === 'number')
  const list = at([...path])
  if (edit.kind === 'move') return Array.isArray(list) && edit.from < list.length && edit.to < list.length
  return upToIndex < 0 || at(path.slice(0, upToIndex + 1)) !== undefined
}

describe('an edit of the form', () => {
  test('changes what it means, and keeps every comment and all else', () => {
    fc.assert(
      fc.property(aText, fc.array(anEdit, { minLength: 1, maxLength: 4 }), ({ text, comments }, edits) => {
        let now = text
        for (const edit of edits) {
          const read = readPlanText(now)
          if (!read.ok) throw new Error(`${read.fault.message}\n${now}`)
          if (!isThere(read.plan, edit)) continue
          const after = edited(now, [edit])
          const again = readPlanText(after)
          expect(again.ok ? again.plan : again.fault, after).toEqual(changed(read.plan, edit))
          now = after
        }
        const removes = edits.some(({ kind }) => kind === 'remove')
        if (!removes) for (const comment of comments) expect(now).toContain(comment)
      }),
      { seed, numRuns: 150 },
    )
  })

  test('of one word changes that word only', () => {
    const text = '# why\nstages:\n  - { name:   all,percent: 100, bake: 1h }   # everyone\n\n\ngates: [ ]\n'
    expect(edited(text, [{ kind: 'set', path: ['stages', 0, 'bake'], value: '2h' }])).toBe(text.replace('1h', '2h'))
    expect(edited(text, [{ kind: 'set', path: ['stages', 0, 'name'], value: 'a, b' }])).toBe(
      text.replace('all,', '"a, b",'),
    )
  })

  test('there and back leaves the text as it was', () => {
    const text = 'stages:\n  - { name: a, percent: 5, bake: 1h } # first\n  - { name: all, percent: 100, bake: 1h }\n'
    const there = edited(text, [{ kind: 'move', path: ['stages'], from: 0, to: 1 }])
    expect(parse(there)).toMatchObject({ stages: [{ name: 'all' }, { name: 'a' }] })
    expect(edited(there, [{ kind: 'move', path: ['stages'], from: 1, to: 0 }])).toBe(text)
  })

  test('of an empty text begins a plan', () => {
    const stage = { name: 'all', percent: 100, bake: '1h' }
    const text = edited('', [{ kind: 'insert', path: ['stages'], at: 0, value: stage }])
    expect(text).toBe('stages:\n  - { name: all, percent: 100, bake: 1h }\n')
  })

  test('keeps away from what the text says in several places at once', () => {
    const text = 'stages:\n  - &one { name: a, percent: 5, bake: 1h }\n  - { <<: *one, name: b, percent: 100 }\n'
    const edit: Edit = { kind: 'set', path: ['stages', 0, 'bake'], value: '2h' }
    expect(edited(text, [edit])).toBe(text)
    const read = readPlanText(text)
    if (!read.ok) throw new Error(read.fault.message)
    expect([canEdit(read.document, ['stages', 0, 'bake']), canEdit(read.document, ['quorum'])]).toEqual([false, true])
    // what comes before the anchor would not be known there
    expect(edited(text, [{ kind: 'move', path: ['stages'], from: 1, to: 0 }])).toBe(text)
    expect(edited(text, [{ kind: 'remove', path: ['stages', 0] }])).toBe(text)
    expect(isMap(read.document.contents)).toBe(true)
  })

  test('of a text that cannot be read is not made', () => {
    expect(edited('stages: [', [{ kind: 'set', path: ['quorum'], value: 1 }])).toBe('stages: [')
  })
})
