// A plan as a person would have written it, of one that has every default filled in and its durations in milliseconds:
// what is a default is left out, durations have a unit, stages and gates stand in a line each.

import { Document, type Node, YAMLMap, YAMLSeq } from 'yaml'
import { gateDefaults, planDefaults, stageDefaults, windowDefaults } from './defaults.ts'
import { inOneLine } from './plan-text.ts'
import { durationNames, spellDuration } from './spelled-duration.ts'

type Fields = Readonly<Record<string, unknown>>

/** Read again it is the same plan. */
export function writtenPlan(plan: object): Record<string, unknown> {
  const { stages, gates, window, ...rest }: Fields = { ...plan }
  const all = listOf(stages)
  return {
    stages: all.map((stage, i) => writtenStage(stage, i === all.length - 1)),
    ...(gates === undefined ? {} : { gates: listOf(gates).map(writtenGate) }),
    ...(isFields(window) ? { window: without(window, windowDefaults) } : {}),
    ...spelled(without(rest, planDefaults)),
  }
}

/** The same as YAML. */
export function planText(plan: object): string {
  const document = new Document({})
  for (const [name, value] of Object.entries(writtenPlan(plan))) document.set(name, nodeOf(document, value))
  return document.toString({ lineWidth: 0 })
}

/** Lists in a line an item, unless the item has a list of gates of its own. */
function nodeOf(document: Document, value: unknown): Node {
  if (!Array.isArray(value) || value.length === 0) return inOneLine(document, value)
  const list = new YAMLSeq<Node>()
  for (const item of value)
    list.items.push(isFields(item) && 'gates' in item ? inLines(document, item) : inOneLine(document, item))
  return list
}

function inLines(document: Document, fields: Fields): Node {
  const map = new YAMLMap<string, Node>()
  for (const [name, value] of Object.entries(fields)) map.set(name, nodeOf(document, value))
  return map
}

/** Stages and gates as they are written into a plan. */
function writtenStage({ name, mode, devices, percent, where, gates, ...rest }: Fields, isLast: boolean): Fields {
  const given = { name, ...(mode === (isLast ? 'full' : 'canary') ? {} : { mode }), devices, percent, where }
  return {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...spelled(without(rest, stageDefaults)),
    ...(gates === undefined ? {} : { gates: listOf(gates).map(writtenGate) }),
  }
}

function writtenGate(gate: Fields): Fields {
  const known = Object.entries(gateDefaults).find(([metric]) => metric === gate.metric)
  return spelled(without(gate, known?.[1] ?? {}))
}

const without = (fields: Fields, defaults: Fields): Fields =>
  Object.fromEntries(Object.entries(fields).filter(([name, value]) => value !== undefined && defaults[name] !== value))

function spelled(fields: Fields): Fields {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => {
      const short = name.replace(/Ms$/, '')
      const isDuration = name !== short && durationNames.has(short) && typeof value === 'number'
      return isDuration ? [short, spellDuration(value).replace(' min', 'm').replace(' ', '')] : [name, value]
    }),
  )
}

const isFields = (value: unknown): value is Fields => typeof value === 'object' && value !== null
const listOf = (value: unknown): Fields[] => (Array.isArray(value) ? value.filter(isFields) : [])
