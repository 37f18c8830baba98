// Experiments and runs as MLflow's clients read them. Keys without a value are left out.

import type { ExperimentRow, Tag } from '../experiments.ts'
import type { Point } from '../log.ts'
import type { Run } from '../run-data.ts'
import { artifactUri, isDeleted, type RunRow } from '../runs.ts'
import { shownDouble } from './request.ts'

export function shownExperiment(row: ExperimentRow, tags: readonly Tag[]): Record<string, unknown> {
  return {
    experiment_id: String(row.id),
    name: row.name,
    artifact_location: row.artifact_location,
    lifecycle_stage: row.deleted_at === null ? 'active' : 'deleted',
    last_update_time: row.updated_at,
    creation_time: row.created_at,
    ...filled('tags', tags.map(shownText)),
  }
}

export function shownRunInfo(run: RunRow): Record<string, unknown> {
  return {
    run_uuid: run.id,
    run_id: run.id,
    run_name: run.name,
    experiment_id: String(run.experiment),
    user_id: run.user_id,
    status: run.status,
    start_time: run.start_time,
    ...(run.end_time === null ? {} : { end_time: run.end_time }),
    artifact_uri: artifactUri(run),
    lifecycle_stage: isDeleted(run) ? 'deleted' : 'active',
  }
}

export function shownRun(run: Run): Record<string, unknown> {
  return {
    info: shownRunInfo(run),
    data: {
      ...filled('metrics', run.metrics.map(shownPoint)),
      ...filled('params', run.params.map(shownText)),
      ...filled('tags', run.tags.map(shownText)),
    },
    inputs: {
      ...filled(
        'dataset_inputs',
        run.datasets.map(({ name, digest, sourceType, source, schema, profile, tags }) => ({
          ...filled(
            'tags',
            Object.entries(tags).map(([key, value]) => ({ key, value })),
          ),
          dataset: {
            name,
            digest,
            source_type: sourceType,
            source,
            ...(schema === null ? {} : { schema }),
            ...(profile === null ? {} : { profile }),
          },
        })),
      ),
      ...filled(
        'model_inputs',
        run.inputModels.map((model) => ({ model_id: model })),
      ),
    },
    outputs: filled(
      'model_outputs',
      run.outputModels.map(({ model, step }) => ({ model_id: model, step })),
    ),
  }
}

export const shownPoint = ({ key, value, timestamp, step }: Point): Record<string, unknown> => ({
  key,
  value: shownDouble(value),
  timestamp,
  step,
})

const shownText = ({ key, value }: { key: string; value: string }) => ({ key, value })

/** The list under its name, or nothing where it is empty. */
export const filled = (name: string, items: readonly unknown[]): Record<string, unknown> =>
  items.length === 0 ? {} : { [name]: items }

export const nextPage = (token: string | undefined): Record<string, unknown> =>
  token === undefined ? {} : { next_page_token: token }
