// How nodes of a lineage are called, what is said of each in a line, and where they lead.

import type { components } from '../../api-types.d.ts'
import { grouped } from '../../parts/quantity.tsx'
import { leadingFigure, shortNumber } from '../figures.ts'
import { nodeHref, versionHref } from '../links.ts'

export type Lineage = components['schemas']['Lineage']
export type Node = components['schemas']['LineageNode']

/** `more`: devices, which a lineage counts and does not list. */
export type Shown = {
  id: string
  kind: string
  title: string
  said: string
  href: string | undefined
  isKnown: boolean
}

export function shownNode(node: Node): Shown {
  const { kind, name, facts } = node
  return {
    id: node.node,
    kind,
    title: titleOf(node),
    said: node.known ? saidOf(node) : 'not held by this hub',
    href: hrefOf(kind, name, facts),
    isKnown: node.known,
  }
}

/** A node for the devices on which a version or what a rollout brought serves or has served. */
export function devicesNode({ node, kind, name, devices }: Node): Shown | undefined {
  if (devices === undefined || devices.ever === 0 || kind !== 'version') return undefined
  const at = name.lastIndexOf('/')
  return {
    id: `devices of ${node}`,
    kind: 'devices',
    title: `${grouped(devices.running)} run it now`,
    said: `${grouped(devices.ever)} ever`,
    href: versionHref(name.slice(0, at), name.slice(at + 1)),
    isKnown: true,
  }
}

function titleOf({ kind, name, facts }: Node): string {
  if (kind === 'version') return name.replace(/\/(\d+)$/, ' v$1')
  if (kind === 'dataset') return textsOf(facts.snapshots)[0] ?? shortened(name)
  if (kind === 'run') return textOf(facts.name) ?? name
  if (kind === 'rollout') return `to ${textOf(facts.group) ?? name}`
  if (kind === 'approval') return `to ${textOf(facts.to) ?? name}`
  if (kind === 'evaluation') return figureText(facts) ?? textOf(facts.state) ?? name
  return name
}

function saidOf({ kind, facts, at }: Node): string {
  if (kind === 'evaluation') return `of ${(textOf(facts.version) ?? '').replace(/^.*\/(\d+)$/, 'v$1')}`
  const state = textOf(facts.state) ?? textOf(facts.status) ?? textOf(facts.stage)
  if (state !== undefined) return state.replaceAll('_', ' ').toLowerCase()
  const rows = facts.rows
  if (kind === 'dataset' && typeof rows === 'number') return `${grouped(rows)} rows`
  return at === null ? '' : at.slice(0, 10)
}

function hrefOf(kind: string, name: string, facts: Node['facts']): string | undefined {
  const version = textOf(facts.version)
  const at = version?.lastIndexOf('/') ?? -1
  if (version !== undefined && at > 0) {
    const [model, number] = [version.slice(0, at), version.slice(at + 1)]
    if (kind === 'evaluation') return `${versionHref(model, number, 'evaluation')}&evaluation=${name}`
    if (kind === 'approval') return versionHref(model, number, 'gates')
  }
  return nodeHref(kind, name, textsOf(facts.snapshots))
}

/** The figure that is looked at first, as `roc_auc 0.9136`. */
function figureText({ figures }: Node['facts']): string | undefined {
  if (typeof figures !== 'object' || figures === null) return undefined
  const known: Record<string, unknown> = { ...figures }
  const name = leadingFigure(known)
  const figure = name === undefined ? undefined : known[name]
  if (typeof figure !== 'object' || figure === null || !('value' in figure)) return undefined
  return typeof figure.value === 'number' ? `${name} ${shortNumber(figure.value)}` : undefined
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined)
const textsOf = (value: unknown): string[] =>
  Array.isArray(value) ? value.filter((one): one is string => typeof one === 'string') : []
const shortened = (name: string): string => (/^[0-9a-f]{64}$/.test(name) ? `${name.slice(0, 12)}…` : name)
