// `roost runs …`: list and filter runs, look at one, put some side by side.

import type { Command } from 'commander'
import { z } from 'zod'
import { type Double, RunDocument } from '../experiments/documents.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { wholeNumber } from './option-values.ts'
import { figure, table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'

const Runs = z.object({ runs: z.array(RunDocument), next: z.string().nullable() })
const Figure = z.union([z.number(), z.string()])
const Summary = z.object({ last: Figure, min: Figure.nullable(), max: Figure.nullable(), points: z.number() })
const Comparison = z.object({
  runs: z.array(RunDocument),
  params: z.array(z.object({ key: z.string(), values: z.array(z.string().nullable()) })),
  metrics: z.array(z.object({ key: z.string(), values: z.array(Summary.nullable()) })),
  curves: z.array(
    z.object({
      key: z.string(),
      run: z.string(),
      points: z.array(z.object({ step: z.number(), timestamp: z.number(), value: Figure })),
    }),
  ),
})

type ListOptions = ConnectionOptions & {
  experiment?: string
  filter?: string
  order?: string
  columns?: string
  max: number
}

export function addRunCommands(program: Command): void {
  const runs = program.command('runs').description('training runs, as MLflow clients track them')

  connected(runs.command('list'))
    .description('runs, newest first')
    .option('--experiment <names>', 'only of these experiments, by name or id, separated by commas')
    .option('--filter <text>', `such as "metrics.rmse < 0.5 AND params.depth = '3'"`)
    .option('--order <keys>', 'such as "metrics.rmse ASC"')
    .option('--columns <keys>', 'such as metrics.rmse,params.depth')
    .option('--max <count>', 'how many at most', wholeNumber, 50)
    .action(async (options: ListOptions) => {
      const { client, output } = connect(options)
      const query = new URLSearchParams()
      for (const name of ['experiment', 'filter', 'order', 'columns'] as const) {
        const value = options[name]
        if (value !== undefined) query.set(name, value)
      }
      const listed = await readPages(client, `/v1/runs?${query}`, Runs, ({ runs }) => runs, options.max)
      const columns = options.columns?.split(',') ?? []
      const rows = listed.items.map((run) => [
        run.id,
        run.name,
        run.status,
        startOf(run),
        ...columns.map((column) => valueAt(run, column)),
      ])
      output.print({ runs: listed.items }, [
        ...table(['run', 'name', 'status', 'started', ...columns], rows),
        ...andMore(listed, 'ask for more with --max'),
      ])
    })

  connected(runs.command('show <id>'))
    .description('one run')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const run = await client.get(`/v1/runs/${id}`, RunDocument)
      output.print(run, [
        `${run.id} ${run.name}: ${run.status}${run.deleted ? ', deleted' : ''}, started ${startOf(run)}`,
        ...section('metrics', run.metrics),
        ...section('params', run.params),
        ...section('tags', run.tags),
        `roost lineage run:${run.id} has its datasets and what became of it`,
      ])
    })

  connected(runs.command('compare <ids...>'))
    .description('runs side by side: parameters that differ, last, least and greatest of each metric')
    .option('--curves <metrics>', 'also the points of these metrics, with --json')
    .action(async (ids: string[], options: ConnectionOptions & { curves?: string }) => {
      const { client, output } = connect(options)
      const query = new URLSearchParams({ ids: ids.join(',') })
      if (options.curves !== undefined) query.set('curves', options.curves)
      const compared = await client.get(`/v1/runs/compare?${query}`, Comparison)
      const names = compared.runs.map(({ name }) => name)
      output.print(compared, [
        ...table(
          ['params that differ', ...names],
          compared.params.map(({ key, values }) => [key, ...values.map((value) => value ?? '-')]),
        ),
        '',
        ...table(
          ['metrics: last (least … greatest)', ...names],
          compared.metrics.map(({ key, values }) => [key, ...values.map(summaryText)]),
        ),
      ])
    })
}

const startOf = ({ startedAt }: RunDocument): string => (startedAt === null ? '-' : time(Date.parse(startedAt)))

function valueAt(run: RunDocument, column: string): string {
  const [kind = '', ...key] = column.split('.')
  const values: Record<string, Record<string, Double | string>> = {
    metrics: run.metrics,
    params: run.params,
    tags: run.tags,
  }
  return figure(values[kind]?.[key.join('.')] ?? '-')
}

const section = (title: string, values: Readonly<Record<string, unknown>>): string[] =>
  Object.keys(values).length === 0
    ? []
    : [`${title}:`, ...Object.entries(values).map(([key, value]) => `  ${key} = ${String(value)}`)]

const summaryText = (summary: z.infer<typeof Summary> | null): string =>
  summary === null ? '-' : `${figure(summary.last)} (${figure(summary.min ?? '-')} … ${figure(summary.max ?? '-')})`
