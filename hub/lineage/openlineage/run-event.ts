// RunEvents of OpenLineage 2-0-2 (https://openlineage.io/spec/2-0-2/OpenLineage.json), made out of plain facts. Pure.

import { nameUuid, uuidText } from '../../name-uuid.ts'

export const eventTypes = ['START', 'COMPLETE', 'ABORT', 'FAIL'] as const
export type EventType = (typeof eventTypes)[number]
export const jobs = ['run', 'registration', 'evaluation', 'rollout'] as const
export type Job = (typeof jobs)[number]

/** Who tells: the namespace of its jobs and datasets, its version, and where the schema of its own facets is. */
export type Teller = { namespace: string; producer: string; facetsUrl: string }

/** `version` is what distinguishes states of the same dataset: a snapshot's digest, a model's number. */
export type EventDataset = {
  name: string
  version?: string | undefined
  description?: string | undefined
  fields?: readonly { name: string; type: string }[] | undefined
  /** Of a model: what the hub knows of the version. */
  model?: Record<string, unknown> | undefined
}

export type EventFacts = {
  seq: number
  /** Milliseconds since 1970, each tried in turn: what a client said may be no time. */
  times: readonly (number | undefined)[]
  type: EventType
  job: Job
  /** The id of the run, evaluation or rollout; `model/7` of a registration. */
  subject: string
  /** Within the kind of job: the experiment, the model, `model/deployment`. */
  of: string
  node: { name: string; by: string | null; facts: Record<string, unknown> }
  /** Of a FAIL. */
  reason?: string | undefined
  inputs: readonly EventDataset[]
  outputs: readonly EventDataset[]
}

const spec = 'https://openlineage.io/spec'
const schemaUrl = `${spec}/2-0-2/OpenLineage.json#/$defs/RunEvent`
/** The versions of the standard facets that the tests check against. */
const facetUrls = {
  schema: `${spec}/facets/1-2-0/SchemaDatasetFacet.json#/$defs/SchemaDatasetFacet`,
  version: `${spec}/facets/1-0-1/DatasetVersionDatasetFacet.json#/$defs/DatasetVersionDatasetFacet`,
  documentation: `${spec}/facets/1-1-0/DocumentationDatasetFacet.json#/$defs/DocumentationDatasetFacet`,
  jobType: `${spec}/facets/2-0-4/JobTypeJobFacet.json#/$defs/JobTypeJobFacet`,
  errorMessage: `${spec}/facets/1-0-1/ErrorMessageRunFacet.json#/$defs/ErrorMessageRunFacet`,
} as const

const jobNames: Readonly<Record<Job, string>> = {
  run: 'experiment',
  registration: 'registration',
  evaluation: 'evaluation',
  rollout: 'rollout',
}

export type RunEvent = {
  eventType: EventType
  eventTime: string
  producer: string
  schemaURL: string
  run: { runId: string; facets: Record<string, unknown> }
  job: { namespace: string; name: string; facets: Record<string, unknown> }
  inputs: { namespace: string; name: string; facets: Record<string, unknown> }[]
  outputs: { namespace: string; name: string; facets: Record<string, unknown> }[]
}

/** The same facts make the same event, whenever and however often it is told. */
export function runEvent(facts: EventFacts, teller: Teller): RunEvent {
  const { namespace, producer, facetsUrl } = teller
  const facet = (url: string, content: Record<string, unknown>) => ({
    ...content,
    _producer: producer,
    _schemaURL: url,
  })
  const dataset = ({ name, version, description, fields, model }: EventDataset) => ({
    namespace,
    name,
    facets: {
      ...(version === undefined ? {} : { version: facet(facetUrls.version, { datasetVersion: version }) }),
      ...(fields === undefined ? {} : { schema: facet(facetUrls.schema, { fields }) }),
      ...(description ? { documentation: facet(facetUrls.documentation, { description }) } : {}),
      ...(model === undefined
        ? {}
        : { roost_modelVersion: facet(`${facetsUrl}#/$defs/RoostModelVersionDatasetFacet`, { facts: model }) }),
    },
  })
  return {
    eventType: facts.type,
    eventTime: timeText(facts.times),
    producer,
    schemaURL: schemaUrl,
    run: {
      runId: runIdOf(namespace, facts.job, facts.subject),
      facets: {
        roost_node: facet(`${facetsUrl}#/$defs/RoostNodeRunFacet`, {
          seq: facts.seq,
          node: facts.node.name,
          by: facts.node.by,
          facts: facts.node.facts,
        }),
        ...(facts.type === 'FAIL' && facts.reason
          ? {
              errorMessage: facet(facetUrls.errorMessage, { message: facts.reason, programmingLanguage: 'TypeScript' }),
            }
          : {}),
      },
    },
    job: {
      namespace,
      name: `${jobNames[facts.job]}/${facts.of}`,
      facets: {
        jobType: facet(facetUrls.jobType, {
          processingType: 'BATCH',
          integration: 'ROOST',
          jobType: facts.job.toUpperCase(),
        }),
      },
    },
    inputs: facts.inputs.map(dataset),
    outputs: facts.outputs.map(dataset),
  }
}

/** The last moment that RFC 3339 can write, with its four digits of a year. */
const lastMs = 253_402_300_799_999

const timeText = (times: readonly (number | undefined)[]): string => {
  const ms = times.find((time) => time !== undefined && Number.isFinite(time) && time > 0 && time <= lastMs) ?? 0
  return new Date(ms).toISOString()
}

/** A run's own id, where it is one: MLflow's are UUIDs without hyphens. Else a UUID of the name. */
export function runIdOf(namespace: string, job: Job, subject: string): string {
  const isUuid = job === 'run' && /^[0-9a-f]{32}$/.test(subject)
  return isUuid ? uuidText(subject) : nameUuid(`${namespace}/${jobNames[job]}/${subject}`)
}

/** The schema of Roost's own facets: GET /v1/lineage/facets.json. */
export const facetsSchema = (id: string) => ({
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: id,
  $defs: {
    RoostNodeRunFacet: {
      allOf: [
        { $ref: `${spec}/2-0-2/OpenLineage.json#/$defs/RunFacet` },
        {
          type: 'object',
          properties: {
            seq: { type: 'integer', description: 'the place of the event among all events of this hub' },
            node: { type: 'string', description: 'the node in the lineage of the hub, as in GET /v1/lineage' },
            by: { type: ['string', 'null'], description: 'who did it' },
            facts: { type: 'object', description: 'what the hub knows of the node' },
          },
          required: ['seq', 'node', 'by', 'facts'],
        },
      ],
    },
    RoostModelVersionDatasetFacet: {
      allOf: [
        { $ref: `${spec}/2-0-2/OpenLineage.json#/$defs/DatasetFacet` },
        {
          type: 'object',
          properties: { facts: { type: 'object', description: 'what the hub knows of the version of the model' } },
          required: ['facts'],
        },
      ],
    },
  },
})
