// Snapshots over HTTP: what pandas says of the same rows, versions by content, downloads, comparison, deletion.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readColumns } from '../../../hub/datasets/columns.ts'
import { ColumnComparison, SchemaChanges } from '../../../hub/datasets/compare.ts'
import { DatasetDocument, SnapshotDocument } from '../../../hub/datasets/documents.ts'
import { readAs } from '../a-hub.ts'
import { aDatasetHub, csv, type DatasetHub, fixture, jsonLines, parquet } from './a-dataset-hub.ts'

const Expected = z.record(
  z.string(),
  z.object({
    count: z.number(),
    missing: z.number(),
    distinct: z.number(),
    top: z.number(),
    min: z.number().optional(),
    max: z.number().optional(),
    mean: z.number().optional(),
    standardDeviation: z.number().optional(),
    quantiles: z.array(z.number()).optional(),
  }),
)
const Compared = z.object({ schema: SchemaChanges, columns: z.array(ColumnComparison) })

let datasets: DatasetHub
beforeAll(async () => {
  datasets = await aDatasetHub()
})
afterAll(() => datasets[Symbol.asyncDispose]())

describe('schema and statistics are those of pandas and numpy', () => {
  test.each([
    ['readings.csv', csv],
    ['readings.jsonl', jsonLines],
    ['readings-snappy.parquet', parquet],
    ['readings-v2.parquet', parquet],
    ['readings-brotli.parquet', parquet],
  ])('%s', async (file, type) => {
    const response = await datasets.push('readings', type, await fixture(file))
    expect(response.status).toBe(201)
    const { rows, columns } = await readAs(SnapshotDocument, response)
    const expected = Expected.parse(JSON.parse(Buffer.from(await fixture('expected.json')).toString()))
    expect(rows).toBe(600)
    expect(columns.map(({ name, type, nullable }) => [name, type, nullable])).toEqual([
      ['time', 'timestamp', false],
      ['temperature', 'number', true],
      ['count', 'number', false],
      ['open', 'boolean', false],
      ['site', 'text', false],
      ['note', 'text', true],
    ])
    for (const { name, statistics } of columns) {
      const { top, quantiles, ...figures } = expected[name] ?? {}
      expect([name, statistics.top[0]?.count]).toEqual([name, top])
      expect(statistics).toMatchObject({ distinctExact: true, quantileRankError: 0, topError: 0 })
      for (const [figure, value = 0] of Object.entries(figures)) {
        // sums of the same doubles in another order: the last digits differ
        const got = Reflect.get(statistics, figure)
        expect(Math.abs(got - value), `${name} ${figure}: ${got}, not ${value}`).toBeLessThanOrEqual(
          1e-12 * Math.max(1, Math.abs(value)),
        )
      }
      for (const [i, value] of (quantiles ?? []).entries()) {
        expect(statistics.quantiles[i]?.value).toBeCloseTo(value, 3)
      }
    }
  })
})

test('columns come whole, as numbers and texts, from every format alike', async () => {
  const read = async (file: string, type: string) => {
    const { digest } = await readAs(SnapshotDocument, datasets.push('readings', type, await fixture(file)))
    return readColumns(datasets.hub, digest, ['temperature', 'open', 'site', 'note', 'time'])
  }
  const fromCsv = await read('readings.csv', csv)
  expect([...fromCsv.columns.keys()]).toEqual(['time', 'temperature', 'open', 'site', 'note'])
  expect(fromCsv.columns.get('time')).toMatchObject({ kind: 'number' })
  expect(fromCsv.columns.get('site')?.values.slice(0, 3)).toEqual(['quay "7"', 'north', 'north'])
  expect(fromCsv.columns.get('note')?.values.slice(0, 2)).toEqual(['checked', null])
  expect(await read('readings.jsonl', jsonLines)).toEqual(fromCsv)
  expect(await read('readings-gzip.parquet', parquet)).toEqual(fromCsv)
  const digest = (await readAs(SnapshotDocument, datasets.push('readings', csv, await fixture('readings.csv')))).digest
  await expect(readColumns(datasets.hub, digest, ['site', 'sight'])).rejects.toMatchObject({ code: 'unknown-column' })
  await expect(readColumns(datasets.hub, 'a'.repeat(64))).rejects.toMatchObject({ code: 'not-found' })
})

test('the same bytes are the same snapshot, also when they come at once', async () => {
  const pushes = await Promise.all(
    ['a,b\n1,2\n', 'a,b\n1,2\n', 'a,b\n1,3\n'].map((text) => datasets.push('same', csv, text)),
  )
  const made = await Promise.all(pushes.map((push) => readAs(SnapshotDocument, push)))
  expect(new Set(made.map(({ digest }) => digest)).size).toBe(2)
  expect(made[0]?.version).toBe(made[1]?.version)
  expect(pushes.map(({ status }) => status).sort()).toEqual([200, 201, 201])
  const again = await datasets.push('same', csv, 'a,b\n1,2\n')
  expect([again.status, (await readAs(SnapshotDocument, again)).version]).toEqual([200, made[0]?.version])
  // under another name they are a snapshot of that one
  expect((await datasets.push('same-elsewhere', csv, 'a,b\n1,2\n')).status).toBe(201)
})

test('a snapshot is downloaded as it came, and by ranges', async () => {
  const sent = await fixture('readings-zstd.parquet')
  const { version, digest } = await readAs(SnapshotDocument, datasets.push('files', parquet, sent))
  const path = `/v1/datasets/files/snapshots/${version}/content`
  const whole = await datasets.ask(path, {}, 'viewer')
  expect(whole.headers.get('content-type')).toBe(parquet)
  expect(Buffer.from(await whole.arrayBuffer()).equals(Buffer.from(sent))).toBe(true)
  const range = await datasets.ask(path, { headers: { range: 'bytes=4-9' } })
  expect([range.status, range.headers.get('content-range')]).toEqual([206, `bytes 4-9/${sent.length}`])
  expect(Buffer.from(await range.arrayBuffer()).equals(Buffer.from(sent.slice(4, 10)))).toBe(true)
  expect((await datasets.ask(path, { headers: { range: `bytes=${sent.length}-` } })).status).toBe(416)
  expect((await datasets.ask(path, { headers: { 'if-none-match': `"${digest}"` } })).status).toBe(304)
})

describe('two snapshots are compared', () => {
  const compare = async (from: string, to: string) =>
    readAs(Compared, datasets.ask(`/v1/datasets/compare?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`))

  test('by schema and by drift of every column they share', async () => {
    const from = await readAs(SnapshotDocument, datasets.push('drifting', csv, await fixture('readings.csv')))
    const to = await readAs(SnapshotDocument, datasets.push('drifting', csv, await fixture('later.csv')))
    const { schema, columns } = await compare('drifting/1', to.digest)
    expect(schema).toEqual({
      added: ['humidity'],
      removed: ['note'],
      retyped: [{ name: 'count', from: 'number', to: 'text' }],
      nowNullable: [],
    })
    const named = Object.fromEntries(columns.map((column) => [column.name, column]))
    expect(Object.keys(named)).toEqual(['time', 'temperature', 'open', 'site'])
    // 1.5 of a standard deviation of 3
    expect(named.temperature?.wasserstein).toBeGreaterThan(0.35)
    expect(named.temperature?.wasserstein).toBeLessThan(0.65)
    expect(named.temperature?.psi).toBeGreaterThan(0.15)
    expect(named.temperature?.chiSquare).toBeNull()
    // half of the sites are new
    expect(named.site?.chiSquare?.pValue).toBeLessThan(1e-9)
    expect(named.site?.jensenShannon).toBeGreaterThan(0.4)
    expect(named.site).toMatchObject({ ks: null, wasserstein: null })
    expect(named.open?.psi).toBeLessThan(0.1)
    for (const { counts, missing } of columns) {
      expect(counts?.from.reduce((sum, n) => sum + n, 0)).toBeCloseTo(600 * (1 - missing.from), 6)
      expect(counts?.to.reduce((sum, n) => sum + n, 0)).toBeCloseTo(500 * (1 - missing.to), 6)
    }
    expect(from.version).toBe(1)
  })

  test('the same rows in another format have not moved', async () => {
    await datasets.push('formats', csv, await fixture('readings.csv'))
    await datasets.push('formats', parquet, await fixture('readings-v2.parquet'))
    const { schema, columns } = await compare('formats/1', 'formats/2')
    expect(schema).toEqual({ added: [], removed: [], retyped: [], nowNullable: [] })
    for (const { name, psi, ks, wasserstein } of columns) {
      expect([name, psi, ks ?? 0, Math.round((wasserstein ?? 0) * 1e9)]).toEqual([name, 0, 0, 0])
    }
  })

  test('and what is not there is said', async () => {
    for (const query of ['from=drifting/99&to=drifting/1', `from=drifting/1&to=${'0'.repeat(64)}`]) {
      expect((await datasets.ask(`/v1/datasets/compare?${query}`)).status).toBe(404)
    }
    expect((await datasets.ask('/v1/datasets/compare?from=drifting&to=drifting/1')).status).toBe(422)
  })
})

test('datasets and snapshots are described, and never edited over somebody else', async () => {
  await datasets.push('described', csv, 'a\n1\n')
  const edit = (path: string, body: unknown, headers: Record<string, string> = {}) =>
    datasets.ask(path, {
      method: 'PATCH',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    })
  const path = '/v1/datasets/described'
  const etag = (await datasets.ask(path)).headers.get('etag') ?? ''
  const first = await edit(
    path,
    { description: 'of the pumps', tags: { site: 'north', old: 'x' } },
    { 'if-match': etag },
  )
  expect(await readAs(DatasetDocument, first)).toMatchObject({ description: 'of the pumps', tags: { site: 'north' } })
  expect((await edit(path, { description: 'mine' }, { 'if-match': etag })).status).toBe(412)
  expect(await readAs(DatasetDocument, edit(path, { tags: { old: null } }))).toMatchObject({ tags: { site: 'north' } })
  const one = await readAs(SnapshotDocument, edit(`${path}/snapshots/1`, { tags: { split: 'train' } }))
  expect(one.tags).toEqual({ split: 'train' })
  expect((await edit(path, { descripton: 'typo' })).status).toBe(422)
  const many = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`t${i}`, 'x']))
  expect((await edit(path, { tags: many })).status).toBe(422)
})

test('a snapshot that is used stays; its number is never given again', async () => {
  const { digest } = await readAs(SnapshotDocument, datasets.push('used', csv, 'used\n1\n'))
  await datasets.push('used', csv, 'used\n2\n')
  const remove = (path: string) => datasets.ask(`/v1/datasets/used${path}`, { method: 'DELETE' })
  await datasets.hub.database.write([
    { sql: "INSERT INTO models (name, last_version, last_counter, created_at) VALUES ('m', 1, 1, 0)" },
    {
      sql: `INSERT INTO versions (model, version, description, metrics, created_by, created_at)
        VALUES ('m', 1, '', '{}', 'test', 0)`,
    },
    {
      sql: "INSERT INTO version_datasets (model, version, dataset, role) VALUES ('m', 1, ?, 'training')",
      args: [digest],
    },
  ])
  const refused = await remove('/snapshots/1')
  expect([refused.status, await refused.json()]).toMatchObject([409, { code: 'in-use', uses: [{ name: 'm/1' }] }])
  expect((await remove('/snapshots/2')).status).toBe(204)
  expect((await remove('/snapshots/2')).status).toBe(404)
  expect((await remove('')).status).toBe(409)
  expect((await readAs(SnapshotDocument, datasets.push('used', csv, 'used\n3\n'))).version).toBe(3)
  // another dataset with the same bytes lets the first one go
  await datasets.push('used-too', csv, 'used\n1\n')
  expect((await remove('/snapshots/1')).status).toBe(204)
})

test('every change is in the audit log, by whom', async () => {
  const rows = await datasets.hub.database.all(
    z.object({ action: z.string(), actor: z.string() }),
    'SELECT action, actor FROM audit_log',
  )
  expect(new Set(rows.map(({ action }) => action))).toEqual(
    new Set(['dataset.snapshot', 'dataset.edit', 'snapshot.edit', 'snapshot.delete']),
  )
  for (const { actor } of rows) expect(actor).toMatch(/^token:/)
})

test('who may only look may not bring', async () => {
  const path = '/v1/datasets/viewed/snapshots'
  const push = { method: 'POST', headers: { 'content-type': csv }, body: 'a\n1\n' }
  expect((await datasets.ask(path, push, 'viewer')).status).toBe(403)
  expect((await datasets.ask('/v1/datasets', {}, 'viewer')).status).toBe(200)
})
