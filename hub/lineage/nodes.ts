// The things of a lineage and how each is named: `<kind>:<name>`, as in the audit log.

import { Digest, ModelName } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { notFound, Problem } from '../problem.ts'
import { resolveAlias } from '../registry/aliases.ts'
import type { Reader } from '../storage/database.ts'

/** In the order in which a model comes to be. */
export const kinds = ['dataset', 'run', 'version', 'evaluation', 'approval', 'rollout', 'device'] as const
export const Kind = z.enum(kinds)
export type Kind = z.infer<typeof Kind>

/** `name` of a dataset: the sha256 of a snapshot, the name of a dataset of this hub, or whatever a run or version said
 *  that is neither (`name@digest` of a run's input); of a version: `model/7`; of all others: the id. */
export type NodeName = { kind: Kind; name: string }

/** The longest a version's free text about its dataset or run is (registry/metadata.ts), with room for `name@digest`. */
export const nodeLengthMax = 1_000

export const nodeText = ({ kind, name }: NodeName): string => `${kind}:${name}`

export const versionName = (model: string, version: number): string => `${model}/${version}`

/** The model and the number in the name of a version; undefined where it is not one. */
export function readVersionName(name: string): { model: string; version: number } | undefined {
  const [, model, number] = /^([^/@]+)\/([1-9]\d{0,9})$/.exec(name) ?? []
  if (model === undefined || number === undefined || !ModelName.safeParse(model).success) return undefined
  return { model, version: Number(number) }
}

/** The node that `text` means, in the one form in which it stands in answers. Besides the names above it understands
 *  `version:model@alias`, `manifest:<digest>` (its version) and `dataset:<name>/<number>` (that snapshot).
 *  @throws Problem invalid-node, not-found where an alias, manifest or numbered snapshot is not there */
export async function resolveNode(reader: Reader, text: string): Promise<NodeName> {
  const at = text.indexOf(':')
  const prefix = at < 0 ? '' : text.slice(0, at)
  const name = text.slice(at + 1)
  if (name === '' || !text.isWellFormed()) throw invalidNode(text)
  if (prefix === 'manifest') return { kind: 'version', name: await versionOfManifest(reader, name) }
  const kind = Kind.safeParse(prefix)
  if (!kind.success) throw invalidNode(text)
  if (kind.data === 'version') return { kind: 'version', name: await resolveVersion(reader, name) }
  if (kind.data === 'dataset') return { kind: 'dataset', name: await resolveDataset(reader, name) }
  return { kind: kind.data, name }
}

async function versionOfManifest(reader: Reader, digest: string): Promise<string> {
  const row = await reader.first(
    z.object({ model: z.string(), version: z.number() }),
    'SELECT model, version FROM manifests WHERE digest = ?',
    [digest],
  )
  if (row === undefined) throw notFound('manifest', digest)
  return versionName(row.model, row.version)
}

async function resolveVersion(reader: Reader, name: string): Promise<string> {
  if (readVersionName(name) !== undefined) return name
  const [model = '', alias = '', rest] = name.split('@')
  if (model === '' || alias === '' || rest !== undefined) {
    throw new Problem(422, 'invalid-node', 'This is no node', 'a version is version:model/7 or version:model@alias', {
      field: 'node',
    })
  }
  const version = await resolveAlias(reader, model, alias)
  if (version === undefined) throw notFound('alias', name)
  return versionName(model, version)
}

async function resolveDataset(reader: Reader, name: string): Promise<string> {
  if (Digest.safeParse(name).success) return name
  const [, dataset, number] = /^(.+)\/(\d{1,9})$/.exec(name) ?? []
  if (dataset === undefined || number === undefined) return name
  const row = await reader.first(
    z.object({ digest: z.string() }),
    'SELECT digest FROM dataset_snapshots WHERE dataset = ? AND version = ?',
    [dataset, Number(number)],
  )
  // a version may say something of this form that this hub does not hold
  return row?.digest ?? name
}

const invalidNode = (text: string): Problem =>
  new Problem(
    422,
    'invalid-node',
    'This is no node',
    `${JSON.stringify(text.slice(0, 80))} is not <kind>:<name>; kinds are ${kinds.join(', ')}, e.g. version:vibration/7`,
    { field: 'node' },
  )
