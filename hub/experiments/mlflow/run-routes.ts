// runs/…: create, read, update, delete, restore, search.

import { z } from '@hono/zod-openapi'
import { auditStatements, changeBy } from '../../governance/audit.ts'
import type { Hub } from '../../hub.ts'
import type { Reader } from '../../storage/database.ts'
import { activeRun, logStatements } from '../log.ts'
import { readRuns } from '../run-data.ts'
import { searchRuns } from '../run-search.ts'
import {
  findRun,
  insertRun,
  makeRunId,
  makeRunName,
  nextRunNumber,
  type RunRow,
  runNameTag,
  runStatuses,
  setRunDeleted,
  updateRun,
} from '../runs.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { filled, nextPage, shownRun, shownRunInfo } from './documents.ts'
import { doesNotExist, invalidParameter } from './error.ts'
import { needActive } from './experiment-routes.ts'
import { ExperimentId, filter, orderBy, PageToken, runIdFields, Tag, ViewType } from './fields.ts'
import { integer, pageSize, text } from './request.ts'

const tagsMax = 1_000
/** What a client may ask for, and what it gets at most; the page token has the rest. */
const resultsMax = 50_000
const resultsPerPage = 10_000
const experimentsMax = 10_000

/** By name, or by number as protocol buffers have it. */
const Status = z.union([
  z.enum(runStatuses),
  z.literal([1, 2, 3, 4, 5]).transform((number) => byNumber[number - 1] ?? 'RUNNING'),
])
const byNumber = ['RUNNING', 'SCHEDULED', 'FINISHED', 'FAILED', 'KILLED'] as const

export function addRunRoutes(app: MlflowApp, hub: Hub): void {
  const { database, clock, random } = hub

  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'runs/create',
      summary: 'begin a run',
      scope: 'ci',
      fields: z.object({
        experiment_id: ExperimentId.default(0),
        user_id: text(256).default(''),
        run_name: text(250).default(''),
        start_time: integer.default(0),
        tags: z.array(Tag).max(tagsMax).default([]),
      }),
    },
    async (fields, c) => {
      const tagged = fields.tags.findLast(({ key }) => key === runNameTag)?.value ?? ''
      if (fields.run_name !== '' && tagged !== '' && fields.run_name !== tagged) {
        throw invalidParameter(
          `Both 'run_name' argument and 'mlflow.runName' tag are specified, but with different values (run_name='${fields.run_name}', mlflow.runName='${tagged}').`,
        )
      }
      const name = fields.run_name || tagged || makeRunName(random)
      const tags = [...fields.tags.filter(({ key }) => key !== runNameTag), { key: runNameTag, value: name }]
      const number = await database.exclusively(async (tx) => {
        const experiment = await needActive(tx, fields.experiment_id)
        const run = {
          number: await nextRunNumber(tx),
          id: makeRunId(random),
          experiment: experiment.id,
          name,
          user_id: fields.user_id,
          start_time: fields.start_time,
        }
        const now = clock()
        const after = { experiment: experiment.name, name }
        await tx.write([
          insertRun(run, now),
          ...(await logStatements(tx, run, { metrics: [], params: [], tags })),
          ...(await auditStatements(tx, now, [changeBy(c, 'run.create', `run:${run.id}`, { after })])),
        ])
        return run.number
      })
      return shownWhole(number)
    },
  )

  mlflowRoute(
    app,
    { method: 'get', path: 'runs/get', summary: 'a run', scope: 'viewer', fields: z.object(runIdFields) },
    async (fields) => shownWhole((await needRun(database, runIdOf(fields))).number),
  )

  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'runs/update',
      summary: 'change name, status or end of a run',
      scope: 'ci',
      fields: z.object({
        ...runIdFields,
        status: Status.optional(),
        end_time: integer.optional(),
        run_name: text(250).optional(),
      }),
    },
    async (fields, c) => {
      const id = runIdOf(fields)
      await database.exclusively(async (tx) => {
        const run = await activeRun(tx, id)
        const name = fields.run_name === '' ? undefined : fields.run_name
        const tags = name === undefined ? [] : [{ key: runNameTag, value: name }]
        await tx.write([
          updateRun(run.number, { name, status: fields.status, endTime: fields.end_time }),
          ...(await logStatements(tx, run, { metrics: [], params: [], tags })),
          ...(await auditStatements(tx, clock(), [
            changeBy(c, 'run.update', `run:${run.id}`, {
              before: { name: run.name, status: run.status },
              after: { name, status: fields.status },
            }),
          ])),
        ])
      })
      return { run_info: shownRunInfo(await needRun(database, id)) }
    },
  )

  for (const verb of ['delete', 'restore'] as const) {
    mlflowRoute(
      app,
      {
        method: 'post',
        path: `runs/${verb}`,
        summary: `${verb} a run`,
        scope: 'ci',
        fields: z.object(runIdFields),
      },
      (fields, c) =>
        database.exclusively(async (tx) => {
          const run = await needRun(tx, runIdOf(fields))
          const now = clock()
          await tx.write([
            setRunDeleted(run.number, verb === 'delete' ? now : null),
            ...(await auditStatements(tx, now, [changeBy(c, `run.${verb}`, `run:${run.id}`)])),
          ])
          return {}
        }),
    )
  }

  mlflowRoute(
    app,
    {
      method: 'post',
      path: 'runs/search',
      summary: 'runs by metrics, parameters, tags, attributes and datasets',
      scope: 'viewer',
      fields: z.object({
        experiment_ids: z.array(ExperimentId).max(experimentsMax).default([]),
        filter,
        run_view_type: ViewType,
        max_results: pageSize(1_000, resultsMax),
        order_by: orderBy,
        page_token: PageToken,
      }),
    },
    async (fields) => {
      const { numbers, nextPageToken } = await searchRuns(database, {
        experiments: fields.experiment_ids,
        filter: fields.filter,
        lifecycle: fields.run_view_type,
        orderBy: fields.order_by,
        limit: Math.min(fields.max_results, resultsPerPage),
        pageToken: fields.page_token,
      })
      const runs = await readRuns(database, numbers)
      return { ...filled('runs', runs.map(shownRun)), ...nextPage(nextPageToken) }
    },
  )

  async function shownWhole(number: number): Promise<Record<string, unknown>> {
    const [run] = await readRuns(database, [number])
    if (run === undefined) throw doesNotExist('the run is gone')
    return { run: shownRun(run) }
  }
}

/** @throws MlflowError INVALID_PARAMETER_VALUE */
export function runIdOf(fields: { run_id?: string | undefined; run_uuid?: string | undefined }): string {
  const id = fields.run_id || fields.run_uuid
  if (id === undefined || id === '') throw invalidParameter("Missing value for required parameter 'run_id'.")
  return id
}

/** @throws MlflowError RESOURCE_DOES_NOT_EXIST */
export async function needRun(reader: Reader, id: string): Promise<RunRow> {
  const run = await findRun(reader, id)
  if (run === undefined) throw doesNotExist(`Run with id=${id} not found`)
  return run
}
