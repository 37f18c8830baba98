// Where each edge of the lineage lies in the tables. There is no copy of the graph: an edge is a row, or two joined.

import type { Kind, NodeName } from './nodes.ts'
import { readVersionName } from './nodes.ts'

/** `from` and `to`: SQL for the names of the two nodes; `model`: for the model the edge is about, NULL where none.
 *  `whereFrom` and `whereTo` hold for the edges of given nodes: `?1` is a JSON array with the key of each (`keyOf`). */
export type Rule = {
  from: Kind
  to: Kind
  relation: string
  select: { from: string; to: string; model: string; detail: string }
  tables: string
  whereFrom: string
  whereTo: string
  /** What is said about `from`, not a step on the way to `to`: also found where one walks upstream from `from`. */
  evidence?: true
}

/** What `?1` holds for a node: a dataset as `[name, what is before its last @, what is behind]`, a version as
 *  `[model, number]`, all others as `[name]`. */
export function keyOf({ kind, name }: NodeName): (string | number)[] {
  if (kind === 'version') {
    const version = readVersionName(name)
    return version === undefined ? [name, 0] : [version.model, version.version]
  }
  const at = name.lastIndexOf('@')
  return kind === 'dataset' && at > 0 ? [name, name.slice(0, at), name.slice(at + 1)] : [name]
}

const names = '(SELECT value ->> 0 FROM json_each(?1))'
const pairs = '(SELECT value ->> 0, value ->> 1 FROM json_each(?1))'
const isDigest = (column: string) => `(length(${column}) = 64 AND ${column} NOT GLOB '*[^0-9a-f]*')`

/** A run's input that is no snapshot by its digest goes by its name and the digest its client made. */
const inputName = `CASE WHEN ${isDigest('i.digest')} THEN i.digest ELSE i.name || '@' || i.digest END`

export const rules: readonly Rule[] = [
  {
    from: 'dataset',
    to: 'dataset',
    relation: 'snapshot',
    select: { from: 's.dataset', to: 's.digest', model: 'NULL', detail: `json_object('version', s.version)` },
    tables: 'dataset_snapshots s',
    whereFrom: `s.dataset IN ${names}`,
    whereTo: `s.digest IN ${names}`,
  },
  {
    from: 'dataset',
    to: 'run',
    relation: 'input',
    select: { from: inputName, to: 'r.id', model: 'NULL', detail: 'ri.tags' },
    tables: 'run_datasets i JOIN run_inputs ri ON ri.dataset = i.id JOIN runs r ON r.number = ri.run',
    whereFrom: `(i.digest IN ${names}
      OR (i.name, i.digest) IN (SELECT value ->> 1, value ->> 2 FROM json_each(?1) WHERE json_array_length(value) = 3))`,
    whereTo: `r.id IN ${names}`,
  },
  {
    from: 'dataset',
    to: 'version',
    relation: 'dataset',
    select: {
      from: 'd.dataset',
      to: `d.model || '/' || d.version`,
      model: 'd.model',
      detail: `json_object('role', d.role)`,
    },
    tables: 'version_datasets d',
    whereFrom: `d.dataset IN ${names}`,
    whereTo: `(d.model, d.version) IN ${pairs}`,
  },
  {
    // the one text of a version about its dataset: a digest, `name/number` of a snapshot, or anything
    from: 'dataset',
    to: 'version',
    relation: 'dataset',
    select: {
      from: 'coalesce(s.digest, v.dataset)',
      to: `v.model || '/' || v.version`,
      model: 'v.model',
      detail: `json_object('role', 'training')`,
    },
    tables: `versions v LEFT JOIN dataset_snapshots s
      ON s.dataset = substr(v.dataset, 1, instr(v.dataset, '/') - 1)
      AND s.version = CAST(substr(v.dataset, instr(v.dataset, '/') + 1) AS INTEGER)
      AND v.dataset = s.dataset || '/' || s.version`,
    whereFrom: `v.dataset IN (SELECT value ->> 0 FROM json_each(?1) UNION
      SELECT dataset || '/' || version FROM dataset_snapshots WHERE digest IN ${names})`,
    whereTo: `v.dataset IS NOT NULL AND (v.model, v.version) IN ${pairs}`,
  },
  {
    from: 'run',
    to: 'version',
    relation: 'produced',
    select: { from: 'v.run', to: `v.model || '/' || v.version`, model: 'v.model', detail: 'NULL' },
    tables: 'versions v',
    whereFrom: `v.run IN ${names}`,
    whereTo: `v.run IS NOT NULL AND (v.model, v.version) IN ${pairs}`,
  },
  {
    from: 'version',
    to: 'evaluation',
    relation: 'evaluated',
    select: {
      from: `e.model || '/' || e.version`,
      to: 'e.id',
      model: 'e.model',
      detail: `json_object('state', e.state)`,
    },
    tables: 'evaluations e',
    whereFrom: `(e.model, e.version) IN ${pairs}`,
    whereTo: `e.id IN ${names}`,
    evidence: true,
  },
  {
    from: 'dataset',
    to: 'evaluation',
    relation: 'evaluated on',
    select: { from: 'e.dataset', to: 'e.id', model: 'e.model', detail: 'NULL' },
    tables: 'evaluations e',
    whereFrom: `e.dataset IN ${names}`,
    whereTo: `e.id IN ${names}`,
  },
  {
    from: 'version',
    to: 'approval',
    relation: 'put up for',
    select: {
      from: `p.model || '/' || p.version`,
      to: 'p.id',
      model: 'p.model',
      detail: `json_object('stage', p.to_stage, 'state', p.state)`,
    },
    tables: 'promotion_requests p',
    whereFrom: `(p.model, p.version) IN ${pairs}`,
    whereTo: `p.id IN ${names}`,
    evidence: true,
  },
  {
    from: 'evaluation',
    to: 'approval',
    relation: 'judged in',
    select: { from: 'g.evaluation', to: 'p.id', model: 'p.model', detail: `json_object('answer', g.answer)` },
    tables: 'promotion_requests p JOIN promotion_verdicts g ON g.id = p.verdict',
    whereFrom: `g.evaluation IN ${names}`,
    whereTo: `g.evaluation IS NOT NULL AND p.id IN ${names}`,
  },
  {
    // what was approved before the rollout began
    from: 'approval',
    to: 'rollout',
    relation: 'let out',
    select: { from: 'p.id', to: 'r.id', model: 'r.model', detail: `json_object('stage', p.to_stage)` },
    tables: `promotion_requests p JOIN rollouts r
      ON r.model = p.model AND r.version = p.version AND p.closed_at <= r.created_at`,
    whereFrom: `p.state IN ('approved', 'revoked') AND p.id IN ${names}`,
    whereTo: `p.state IN ('approved', 'revoked') AND r.id IN ${names}`,
  },
  {
    from: 'version',
    to: 'rollout',
    relation: 'rolled out',
    select: {
      from: `r.model || '/' || r.version`,
      to: 'r.id',
      model: 'r.model',
      detail: `json_object('deployment', r.deployment, 'group', r.group_name)`,
    },
    tables: 'rollouts r',
    whereFrom: `(r.model, r.version) IN ${pairs}`,
    whereTo: `r.id IN ${names}`,
  },
  {
    from: 'rollout',
    to: 'device',
    relation: 'offered',
    select: {
      from: 'm.rollout',
      to: 'm.device',
      model: 'r.model',
      detail: `json_object('deployment', m.deployment, 'state', m.state)`,
    },
    tables: 'rollout_devices m JOIN rollouts r ON r.id = m.rollout',
    whereFrom: `m.rollout IN ${names}`,
    whereTo: `m.device IN ${names} AND m.offered_at IS NOT NULL`,
  },
  {
    from: 'version',
    to: 'device',
    relation: 'ran',
    select: {
      from: `m.model || '/' || m.version`,
      to: 'd.device',
      model: 'm.model',
      detail: `json_object('deployment', d.deployment, 'variant', m.variant, 'running', json(iif(d.running, 'true', 'false')),
        'state', d.state)`,
    },
    tables: 'device_deployments d JOIN manifests m ON m.digest = d.manifest',
    whereFrom: `(m.model, m.version) IN ${pairs}`,
    whereTo: `d.device IN ${names} AND (d.running = 1 OR d.ran_at IS NOT NULL)`,
  },
]
