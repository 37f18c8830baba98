// `roost datasets …`: bring a snapshot, look at datasets, compare two snapshots.

import { extname } from 'node:path'
import { measureNames, measures } from '@roost/shared/drift/measures.ts'
import type { Command } from 'commander'
import { z } from 'zod'
import { ColumnComparison, SchemaChanges } from '../datasets/compare.ts'
import { DatasetDocument, SnapshotDocument, SnapshotSummary } from '../datasets/documents.ts'
import { mediaTypes } from '../datasets/download.ts'
import { type Format, formats } from '../datasets/table.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { fileAsBlob } from './file-blob.ts'
import { wholeNumber } from './option-values.ts'
import { table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'
import { resumableBytesMin, uploadFile } from './upload.ts'

const Datasets = z.object({ datasets: z.array(DatasetDocument), next: z.string().nullable() })
const Snapshots = z.object({ snapshots: z.array(SnapshotSummary), next: z.string().nullable() })
const Comparison = z.object({
  from: SnapshotSummary,
  to: SnapshotSummary,
  schema: SchemaChanges,
  columns: z.array(ColumnComparison),
})
type PushOptions = ConnectionOptions & { format?: string; description?: string }

export function addDatasetCommands(program: Command): void {
  const datasets = program.command('datasets').description('datasets and their snapshots')

  connected(datasets.command('push <name> <file>'))
    .description('bring a file as the next snapshot; the same bytes again are the one that is there')
    .option('--format <format>', `${formats.join(', ')} (from the file's name)`)
    .option('--description <text>', 'what it is')
    .action(async (name: string, file: string, options: PushOptions) => {
      const { client, output, hub } = connect(options)
      const format = formatOf(file, options.format)
      const query = new URLSearchParams({ description: options.description ?? '', format })
      const whole = await fileAsBlob(file, { type: mediaTypes[format] })
      const body = whole.size < resumableBytesMin ? whole : undefined
      if (body === undefined) query.set('upload', await uploadFile(hub, whole))
      const snapshot = await client.send('POST', `/v1/datasets/${name}/snapshots?${query}`, body, SnapshotDocument)
      output.print(snapshot, snapshotLines(snapshot))
    })

  connected(datasets.command('list'))
    .description('all datasets')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const listed = await readPages(client, '/v1/datasets', Datasets, ({ datasets }) => datasets)
      const rows = listed.items.map((row) => [row.name, row.latestVersion, row.snapshots, row.description])
      output.print({ datasets: listed.items }, [
        ...table(['dataset', 'latest', 'snapshots', 'description'], rows),
        ...andMore(listed, 'GET /v1/datasets has all'),
      ])
    })

  connected(datasets.command('show <name>'))
    .argument('[version]', 'its number', wholeNumber)
    .description('the snapshots of a dataset, or the columns of one')
    .action(async (name: string, version: number | undefined, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const path = `/v1/datasets/${name}/snapshots`
      if (version !== undefined) {
        const found = await client.get(`${path}/${version}`, SnapshotDocument)
        return output.print(found, snapshotLines(found))
      }
      const listed = await readPages(client, path, Snapshots, ({ snapshots }) => snapshots)
      const rows = listed.items.map((row) => [
        row.version,
        row.format,
        row.rows,
        row.sizeBytes,
        time(Date.parse(row.createdAt)),
        row.digest,
      ])
      output.print({ snapshots: listed.items }, [
        ...table(['version', 'format', 'rows', 'bytes', 'came', 'digest'], rows),
        ...andMore(listed, `GET ${path} has all`),
      ])
    })

  connected(datasets.command('compare <from> <to>'))
    .description('what changed between two snapshots, each name/version or a digest')
    .action(async (from: string, to: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const comparison = await client.get(`/v1/datasets/compare?${new URLSearchParams({ from, to })}`, Comparison)
      output.print(comparison, comparisonLines(comparison))
    })
}

/** @throws Error naming the formats there are */
function formatOf(file: string, given: string | undefined): Format {
  const byName: Readonly<Record<string, Format>> = {
    '.csv': 'csv',
    '.jsonl': 'json-lines',
    '.ndjson': 'json-lines',
    '.parquet': 'parquet',
  }
  const format = given === undefined ? byName[extname(file).toLowerCase()] : formats.find((known) => known === given)
  if (format !== undefined) return format
  throw new Error(`${given ?? file}: say which format it is with --format ${formats.join('|')}`)
}

function snapshotLines(snapshot: SnapshotDocument): string[] {
  const { dataset, version, format, rows, sizeBytes, digest, columns } = snapshot
  return [
    `${dataset} ${version}: ${rows} rows, ${format}, ${sizeBytes} bytes`,
    `digest ${digest}`,
    ...table(
      ['column', 'type', 'missing', 'distinct', 'min', 'mean', 'max', 'most frequent'],
      columns.map(({ name, type, statistics: { missing, distinct, distinctExact, min, mean, max, top } }) => [
        name,
        type,
        missing,
        `${distinctExact ? '' : '~'}${distinct}`,
        figure(min, type),
        figure(mean, type),
        figure(max, type),
        top[0] === undefined ? '' : `${typeof top[0].value === 'number' ? figure(top[0].value, type) : top[0].value}`,
      ]),
    ),
  ]
}

function comparisonLines({ from, to, schema, columns }: z.infer<typeof Comparison>): string[] {
  const { added, removed, retyped, nowNullable } = schema
  const changes = [
    ...added.map((name) => `  new     ${name}`),
    ...removed.map((name) => `  gone    ${name}`),
    ...retyped.map(({ name, from, to }) => `  type    ${name}: ${from} -> ${to}`),
    ...nowNullable.map((name) => `  missing ${name}: values are missing now`),
  ]
  const byDrift = columns.toSorted((a, b) => (b.jensenShannon ?? -1) - (a.jensenShannon ?? -1))
  return [
    `${from.dataset}/${from.version} (${from.rows} rows) -> ${to.dataset}/${to.version} (${to.rows} rows)`,
    ...(changes.length === 0 ? ['the schema is the same'] : ['schema:', ...changes]),
    ...table(
      ['column', ...measureNames.map((name) => measures[name].title), 'chi-square p', 'mean', 'missing'],
      byDrift.map(({ name, type, chiSquare, mean, missing, ...measured }) => [
        name,
        ...measureNames.map((measure) => figure(measured[measure])),
        figure(chiSquare?.pValue ?? null),
        mean.from === null ? '' : `${figure(mean.from, type)} -> ${figure(mean.to, type)}`,
        `${figure(missing.from)} -> ${figure(missing.to)}`,
      ]),
    ),
  ]
}

const figure = (value: number | null, type?: string): string =>
  value === null ? '' : type === 'timestamp' ? time(value) : String(Number(value.toPrecision(4)))
