// What is known of each node of a lineage: one query a kind, however many nodes.

import { z } from 'zod'
import { jsonColumn, type Reader } from '../storage/database.ts'
import { type Kind, type NodeName, nodeText } from './nodes.ts'
import { keyOf } from './rules.ts'

/** `facts` is of the kind: docs/lineage.md says what each has. */
export type Details = { at: number | null; by: string | null; model: string | null; facts: Record<string, unknown> }

const DetailsRow = z.object({
  name: z.string(),
  at: z.number().nullable(),
  by: z.string().nullable(),
  model: z.string().nullable(),
  facts: jsonColumn(z.record(z.string(), z.unknown())),
})

/** By the text of the node. What the hub does not hold (a run elsewhere, a dataset that is only a name) has no entry. */
export async function detailsOf(reader: Reader, nodes: readonly NodeName[]): Promise<Map<string, Details>> {
  const details = new Map<string, Details>()
  for (const [kind, ofKind] of Map.groupBy(nodes, ({ kind }) => kind)) {
    const keys = JSON.stringify(ofKind.map(keyOf))
    for (const { name, ...row } of await reader.all(DetailsRow, queries[kind], [keys])) {
      details.set(nodeText({ kind, name }), row)
    }
  }
  return details
}

const names = '(SELECT value ->> 0 FROM json_each(?1))'
const pairs = '(SELECT value ->> 0, value ->> 1 FROM json_each(?1))'
/** Entries of a list beside a node. */
const listedMax = 20

const queries: Readonly<Record<Kind, string>> = {
  // a snapshot that several datasets have is described once, as the oldest has it, with all its names
  dataset: `SELECT digest AS name, min(created_at) AS at, created_by AS by, NULL AS model, json_object(
      'snapshots', json_group_array(dataset || '/' || version), 'format', format, 'rows', row_count,
      'sizeBytes', size_bytes, 'description', description) AS facts
    FROM dataset_snapshots WHERE digest IN ${names} GROUP BY digest
    UNION ALL
    SELECT name, created_at, created_by, NULL, json_object('description', description, 'latest', last_version)
    FROM datasets WHERE name IN ${names}`,
  run: `SELECT r.id AS name, r.created_at AS at, r.user_id AS by, NULL AS model, json_object(
      'name', r.name, 'experiment', e.name, 'status', r.status, 'startedMs', r.start_time, 'endedMs', r.end_time,
      'deleted', json(iif(r.deleted_at IS NULL, 'false', 'true'))) AS facts
    FROM runs r JOIN experiments e ON e.id = r.experiment WHERE r.id IN ${names}`,
  version: `SELECT v.model || '/' || v.version AS name, v.created_at AS at, v.created_by AS by, v.model, json_object(
      'stage', v.stage, 'description', v.description, 'commit', v.source_commit, 'framework', v.framework,
      'run', v.run, 'dataset', v.dataset,
      'deleted', json(iif(v.deleted_at IS NULL, 'false', 'true')),
      'aliases', (SELECT json_group_array(alias) FROM aliases a WHERE a.model = v.model AND a.version = v.version),
      'variants', (SELECT json_group_array(json_object('variant', m.variant, 'manifest', m.digest,
          'signed', json(iif(m.envelope IS NULL, 'false', 'true'))))
        FROM manifests m WHERE m.model = v.model AND m.version = v.version),
      'moves', (SELECT json_group_array(json_object('atMs', at, 'from', from_stage, 'to', to_stage, 'how', kind,
          'by', actor, 'reason', reason))
        FROM (SELECT * FROM promotion_moves p WHERE p.model = v.model AND p.version = v.version
          ORDER BY seq DESC LIMIT ${listedMax}))) AS facts
    FROM versions v WHERE (v.model, v.version) IN ${pairs}`,
  evaluation: `SELECT id AS name, created_at AS at, created_by AS by, model, json_object(
      'version', model || '/' || version, 'champion', champion_version, 'state', state, 'reason', reason,
      'endedMs', ended_at, 'rows', result -> '$.rows', 'figures', result -> '$.figures') AS facts
    FROM evaluations WHERE id IN ${names}`,
  approval: `SELECT p.id AS name, p.requested_at AS at, p.requested_by AS by, p.model, json_object(
      'version', p.model || '/' || p.version, 'from', p.from_stage, 'to', p.to_stage, 'state', p.state,
      'needed', p.needed, 'comment', p.comment, 'gates', g.answer, 'reason', p.reason, 'closedMs', p.closed_at,
      'decisions', (SELECT json_group_array(json_object('by', approver, 'name', a.name, 'decision', decision,
          'comment', a.comment, 'atMs', a.at, 'revokedMs', revoked_at))
        FROM (SELECT * FROM promotion_approvals WHERE request = p.id ORDER BY at LIMIT ${listedMax}) a)) AS facts
    FROM promotion_requests p JOIN promotion_verdicts g ON g.id = p.verdict WHERE p.id IN ${names}`,
  rollout: `SELECT id AS name, created_at AS at, created_by AS by, model, json_object(
      'version', model || '/' || version, 'deployment', deployment, 'group', group_name, 'query', query,
      'state', state, 'reason', reason, 'changedMs', changed_at) AS facts
    FROM rollouts WHERE id IN ${names}`,
  device: `SELECT id AS name, enrolled_at AS at, NULL AS by, NULL AS model, json_object(
      'profile', profile, 'labels', json(labels), 'revoked', json(iif(revoked_at IS NULL, 'false', 'true')),
      'lastSeenMs', last_seen_at) AS facts
    FROM devices WHERE id IN ${names}`,
}
