// The hub's beginnings and ends, as they were committed, and what there is to say of each.

import { z } from 'zod'
import { jsonColumn, type Reader } from '../../storage/database.ts'
import { type Details, detailsOf } from '../details.ts'
import { type Allows, neighboursOf } from '../neighbours.ts'
import { type NodeName, nodeText, readVersionName } from '../nodes.ts'
import type { Edge } from '../walk.ts'
import { type EventDataset, type EventFacts, eventTypes, jobs } from './run-event.ts'

const EventRow = z.object({
  seq: z.number(),
  at: z.number(),
  job: z.enum(jobs),
  subject: z.string(),
  type: z.enum(eventTypes),
})
type EventRow = z.infer<typeof EventRow>

export type EventPage = {
  events: EventFacts[]
  /** The highest seq that was looked at: where to go on. */
  last: number
}

/** In the order of the commits, from behind `after`. Events of models that are not allowed are left out. */
export async function readEvents(reader: Reader, after: number, limit: number, allows: Allows): Promise<EventPage> {
  const rows = await reader.all(
    EventRow,
    'SELECT seq, at, job, subject, type FROM lineage_events WHERE seq > ? ORDER BY seq LIMIT ?',
    [after, limit],
  )
  const last = rows.at(-1)?.seq ?? after
  const subjects = distinct(rows.map(nodeOf))
  const find = neighboursOf(
    reader,
    allows,
    ({ from, to }) => from === 'dataset' || from === 'version' || (from === 'run' && to === 'version'),
  )
  const before = (await find(subjects, 'upstream')).found.filter(({ edge }) => !edge.from.startsWith('evaluation:'))
  const made = (
    await find(
      subjects.filter(({ kind }) => kind === 'run'),
      'downstream',
    )
  ).found
  const far = distinct([...before, ...made].map(({ far }) => far))
  const details = await detailsOf(reader, [...subjects, ...far])
  const datasets = await datasetsOf(reader, [...subjects, ...far], details)
  const inputsOf = Map.groupBy(
    before.map(({ edge }) => edge),
    ({ to }) => to,
  )
  const outputsOf = Map.groupBy(
    made.map(({ edge }) => edge),
    ({ from }) => from,
  )
  const events = rows.flatMap((row) => {
    const node = nodeText(nodeOf(row))
    const known = details.get(node)
    if (known === undefined || (known.model !== null && !allows(known.model))) return []
    const inputs = ends(inputsOf.get(node), 'from', datasets)
    const outputs = ends(outputsOf.get(node), 'to', datasets)
    return [factsOf(row, node, known, inputs, outputs, datasets.get(node))]
  })
  return { events, last }
}

const nodeOf = ({ job, subject }: EventRow): NodeName => ({
  kind: job === 'registration' ? 'version' : job,
  name: subject,
})

const distinct = (nodes: readonly NodeName[]): NodeName[] => [
  ...new Map(nodes.map((node) => [nodeText(node), node])).values(),
]

const ends = (
  edges: readonly Edge[] = [],
  end: 'from' | 'to',
  datasets: ReadonlyMap<string, EventDataset>,
): EventDataset[] =>
  [...new Set(edges.map((edge) => edge[end]))].flatMap((node) => {
    const dataset = datasets.get(node)
    return dataset === undefined ? [] : [dataset]
  })

function factsOf(
  { seq, at, job, subject, type }: EventRow,
  name: string,
  { at: madeAt, by, model, facts }: Details,
  inputs: EventDataset[],
  outputs: EventDataset[],
  self: EventDataset | undefined,
): EventFacts {
  const said = Said.parse(facts)
  // a client's own word for when its run began
  const times = type === 'START' && job === 'run' ? [said.startedMs, at] : [at]
  const event = { seq, type, job, subject, times: [...times, madeAt ?? undefined], node: { name, by, facts }, inputs }
  switch (job) {
    case 'run':
      return { ...event, of: said.experiment ?? 'unknown', outputs }
    case 'registration':
      return { ...event, of: model ?? subject, outputs: self === undefined ? [] : [self] }
    case 'evaluation':
      return { ...event, of: model ?? subject, reason: said.reason, outputs }
    case 'rollout': {
      const to = `${said.group ?? ''}/${said.deployment ?? ''}`
      const fleet: EventDataset = { name: `fleet/${to}`, version: said.version }
      return { ...event, of: `${model}/${said.deployment ?? ''}`, reason: said.reason, outputs: [fleet] }
    }
  }
}

/** What events say of the facts of their node. */
const text = z
  .string()
  .nullish()
  .transform((value) => value ?? undefined)
const Said = z.object({
  experiment: text,
  reason: text,
  group: text,
  deployment: text,
  version: text,
  startedMs: z.number().optional(),
})

const Fields = z.array(z.object({ name: z.string(), type: z.string() }))
const SnapshotRow = z.object({
  digest: z.string(),
  dataset: z.string(),
  description: z.string(),
  fields: jsonColumn(Fields),
})
const TensorList = jsonColumn(
  z.array(z.object({ name: z.string(), datatype: z.string(), shape: z.array(z.unknown()) })),
)
const TensorRow = z.object({
  model: z.string(),
  version: z.number(),
  inputs: TensorList.nullable(),
  outputs: TensorList.nullable(),
})

/** Datasets and versions as OpenLineage's datasets, by node; the other nodes have none. */
async function datasetsOf(
  reader: Reader,
  nodes: readonly NodeName[],
  details: ReadonlyMap<string, Details>,
): Promise<Map<string, EventDataset>> {
  const named = nodes.filter(({ kind }) => kind === 'dataset')
  const snapshots = await reader.all(
    SnapshotRow,
    `SELECT digest, min(created_at), dataset, description, (SELECT json_group_array(json_object('name', value ->> 'name', 'type', value ->> 'type'))
       FROM json_each(columns)) AS fields
     FROM dataset_snapshots WHERE digest IN (SELECT value FROM json_each(?)) GROUP BY digest`,
    [JSON.stringify(named.map(({ name }) => name))],
  )
  const versions = nodes.filter(({ kind }) => kind === 'version')
  const tensors = await reader.all(
    TensorRow,
    `SELECT model, version, min(counter), inspection -> '$.inputs' AS inputs, inspection -> '$.outputs' AS outputs
     FROM manifests WHERE (model, version) IN (SELECT value ->> 'model', value ->> 'version' FROM json_each(?))
     GROUP BY model, version`,
    [JSON.stringify(versions.flatMap(({ name }) => readVersionName(name) ?? []))],
  )
  const datasets = new Map<string, EventDataset>()
  for (const { name } of named) datasets.set(`dataset:${name}`, { name: `dataset/${name}` })
  for (const { digest, dataset, description, fields } of snapshots) {
    datasets.set(`dataset:${digest}`, { name: `dataset/${dataset}`, version: digest, description, fields })
  }
  for (const { model, version, inputs, outputs } of tensors) {
    const node = `version:${model}/${version}`
    datasets.set(node, {
      name: `model/${model}`,
      version: String(version),
      fields: [...tensorFields('input', inputs), ...tensorFields('output', outputs)],
      model: details.get(node)?.facts ?? {},
    })
  }
  return datasets
}

const tensorFields = (side: 'input' | 'output', tensors: z.infer<typeof TensorList> | null) =>
  (tensors ?? []).map(({ name, datatype, shape }) => ({
    name: `${side}.${name}`,
    type: `${datatype}[${shape.join(', ')}]`,
  }))
