// The facts of a model card, out of the database.

import { z } from 'zod'
import { findSnapshot } from '../datasets/snapshots.ts'
import { latestEvaluation } from '../evaluation/store.ts'
import { detailsOf } from '../lineage/details.ts'
import { neighboursOf } from '../lineage/neighbours.ts'
import { type NodeName, nodeText, versionName } from '../lineage/nodes.ts'
import { type Walked, walk } from '../lineage/walk.ts'
import { findModel, findVersion, readManifest, type VariantRow, type VersionRow } from '../registry/store.ts'
import type { Reader } from '../storage/database.ts'
import { type CardApproval, type CardDataset, type CardVariant, type ModelCard, readWritten } from './card.ts'

const datasetsMax = 64
const parametersMax = 100
const columnsMax = 500

/** Undefined where there is no such version. */
export async function gatherCard(reader: Reader, model: string, version: number): Promise<ModelCard | undefined> {
  const row = await findVersion(reader, model, version)
  const modelRow = await findModel(reader, model)
  if (row === undefined || modelRow === undefined) return undefined
  const root: NodeName = { kind: 'version', name: versionName(model, version) }
  const making = neighboursOf(
    reader,
    (name) => name === model,
    ({ from, to }) => from !== 'version' || to === 'approval',
  )
  const lineage = await walk(root, ['upstream'], { depth: 2, nodes: 500 }, making)
  const evaluation = await latestEvaluation(reader, model, version)
  const approvals = await approvalsOf(reader, lineage)
  const [first] = row.variants
  const manifest = readManifest(row.payload)
  const changes = [row.created_at, row.changed_at, evaluation?.ended_at, ...approvals.map(({ changedAt }) => changedAt)]
  return {
    model,
    version,
    description: row.description,
    modelDescription: modelRow.description,
    stage: row.stage,
    aliases: row.aliases.toSorted(),
    createdBy: row.created_by,
    createdAt: new Date(row.created_at).toISOString(),
    updatedAt: new Date(Math.max(...changes.map((ms) => ms ?? 0))).toISOString(),
    commit: row.source_commit,
    framework: row.framework,
    run: await runOf(reader, row),
    task: evaluation?.result.task.kind ?? manifest.task?.kind ?? null,
    opset: manifest.opset,
    parameters: first?.inspection.parameters ?? 0,
    operators: (first?.inspection.operators ?? []).map(({ name, count }) => ({ name, count })),
    inputs: manifest.inputs,
    outputs: manifest.outputs,
    variants: row.variants.map(variantOf),
    datasets: await datasetsOf(reader, lineage),
    reported: row.metrics,
    evaluation:
      evaluation === undefined
        ? null
        : {
            id: evaluation.id,
            at: new Date(evaluation.ended_at ?? evaluation.created_at).toISOString(),
            variant: row.variants.find(({ digest }) => digest === evaluation.manifest)?.variant ?? null,
            dataset: await snapshotName(reader, evaluation.dataset),
            rows: evaluation.result.rows,
            figures: evaluation.result.figures,
            difference: evaluation.result.difference,
            slices: evaluation.result.slices,
            fairness: evaluation.result.fairness,
            champion: evaluation.result.champion,
          },
    approvals: approvals.map(({ approval }) => approval),
    written: readWritten(row.tags, modelRow.tags),
  }
}

function variantOf({ variant, digest, signed_at, payload }: VariantRow): CardVariant {
  const { profiles, files, limits } = readManifest(payload)
  return {
    variant,
    profiles,
    manifest: digest,
    signed: signed_at !== null,
    files: files.map(({ role, sha256, sizeBytes }) => ({ role, sha256, sizeBytes })),
    limits,
  }
}

async function runOf(reader: Reader, { run }: VersionRow): Promise<ModelCard['run']> {
  if (run === null) return null
  const facts = (await detailsOf(reader, [{ kind: 'run', name: run }])).get(`run:${run}`)?.facts ?? {}
  const said = z.object({ name: z.string().optional(), experiment: z.string().optional() }).parse(facts)
  const parameters = await reader.all(
    z.object({ key: z.string(), value: z.string() }),
    `SELECT k.key, p.value FROM runs r JOIN run_params p ON p.run = r.number JOIN run_keys k ON k.id = p.key
     WHERE r.id = ? ORDER BY k.key LIMIT ?`,
    [run, parametersMax],
  )
  return {
    id: run,
    name: said.name ?? null,
    experiment: said.experiment ?? null,
    parameters: Object.fromEntries(parameters.map(({ key, value }) => [key, value])),
  }
}

/** What the version says it was made of, and what its run read. */
async function datasetsOf(reader: Reader, { nodes, edges }: Walked): Promise<CardDataset[]> {
  const used = nodes.filter(({ kind }) => kind === 'dataset').map((node) => ({ node, text: nodeText(node) }))
  const rolesOf = Map.groupBy(edges, ({ from }) => from)
  const datasets: CardDataset[] = []
  for (const { node, text } of used.slice(0, datasetsMax)) {
    const leading = (rolesOf.get(text) ?? []).filter(({ relation }) => relation === 'dataset' || relation === 'input')
    // a dataset in all its snapshots is no more than the name of one of them
    if (leading.length === 0) continue
    const roles = leading.map(({ relation, detail }) =>
      relation === 'dataset' && typeof detail?.role === 'string' ? detail.role : 'input',
    )
    const found = await findSnapshot(reader, node.name)
    datasets.push({
      name: node.name,
      digest: found?.digest ?? null,
      snapshot: found === undefined ? null : `${found.dataset}/${found.version}`,
      description: found?.description ?? '',
      rows: found?.rows ?? null,
      format: found?.format ?? null,
      columns: (found?.columns ?? []).slice(0, columnsMax).map(({ name, type }) => ({ name, type })),
      roles: [...new Set(roles)].sort(),
    })
  }
  return datasets
}

async function snapshotName(reader: Reader, digest: string): Promise<string> {
  const found = await findSnapshot(reader, digest)
  return found === undefined ? digest : `${found.dataset}/${found.version} (${digest})`
}

const ApprovalFacts = z.object({
  state: z.string(),
  to: z.string(),
  gates: z.string().nullable(),
  closedMs: z.number().nullable(),
  decisions: z.array(
    z.object({
      by: z.string(),
      decision: z.string(),
      comment: z.string(),
      atMs: z.number(),
      revokedMs: z.number().nullable(),
    }),
  ),
})

async function approvalsOf(
  reader: Reader,
  { nodes }: Walked,
): Promise<{ approval: CardApproval; changedAt: number | null }[]> {
  const requests = nodes.filter(({ kind }) => kind === 'approval')
  return [...(await detailsOf(reader, requests))].map(([node, { facts }]) => {
    const { state, to, gates, closedMs, decisions } = ApprovalFacts.parse(facts)
    const made = decisions.map(({ by, decision, comment, atMs, revokedMs }) => ({
      by,
      decision,
      comment,
      at: new Date(atMs).toISOString(),
      revoked: revokedMs !== null,
    }))
    return { approval: { id: node.slice('approval:'.length), state, to, gates, decisions: made }, changedAt: closedMs }
  })
}
