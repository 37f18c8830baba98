// What is told as OpenLineage: valid by the official schemas, whole, in order, the same each time.

import fc from 'fast-check'
import { expect, test } from 'vitest'
import { z } from 'zod'
import { createApp } from '../../../hub/app.ts'
import { openLineageRoutes } from '../../../hub/lineage/openlineage/routes.ts'
import {
  type EventFacts,
  eventTypes,
  facetsSchema,
  jobs,
  runEvent,
  runIdOf,
} from '../../../hub/lineage/openlineage/run-event.ts'
import { asStarted, readAs, type TestHub } from '../a-hub.ts'
import { aHistory, digestOf, rollout, run, runOf } from './a-history.ts'
import { eventFault } from './openlineage-schema.ts'

const seed = 43
console.log(`OpenLineage events: seed ${seed}`)

const teller = { namespace: 'roost', producer: 'urn:roost:hub:1', facetsUrl: 'http://hub.test/v1/lineage/facets.json' }
const Event = z.looseObject({
  eventType: z.string(),
  eventTime: z.string(),
  run: z.looseObject({
    runId: z.string(),
    facets: z.looseObject({ roost_node: z.looseObject({ seq: z.number(), node: z.string() }) }),
  }),
  job: z.looseObject({ name: z.string() }),
  inputs: z.array(z.looseObject({ name: z.string(), facets: z.record(z.string(), z.record(z.string(), z.unknown())) })),
  outputs: z.array(
    z.looseObject({ name: z.string(), facets: z.record(z.string(), z.record(z.string(), z.unknown())) }),
  ),
})
type Event = z.infer<typeof Event>

async function eventsOf(hub: TestHub, limit: number): Promise<Event[]> {
  const app = createApp(asStarted(hub), [openLineageRoutes(hub)])
  const headers = { authorization: `Bearer ${await hub.tokenOf('viewer')}` }
  const own = await readAs(z.looseObject({}), app.request('/v1/lineage/facets.json', { headers }))
  const fault = eventFault(own)
  const events: Event[] = []
  for (let path = `/v1/lineage/openlineage?limit=${limit}`; ; ) {
    const response = await app.request(path, { headers })
    expect(response.headers.get('content-type')).toBe('application/x-ndjson')
    const lines = (await response.text()).split('\n').slice(0, -1)
    if (lines.length === 0) return events
    for (const line of lines) {
      const event: unknown = JSON.parse(line)
      expect(fault(event), line).toBeUndefined()
      events.push(Event.parse(event))
    }
    path = /<(.*)>; rel="next"/.exec(response.headers.get('link') ?? '')?.[1] ?? ''
  }
}

const endings = [
  { sql: `UPDATE runs SET status = 'FINISHED', end_time = 900 WHERE id = ?`, args: [runOf('1')] },
  { sql: `UPDATE runs SET status = 'FAILED' WHERE id = ?`, args: [runOf('2')] },
  { sql: `UPDATE rollouts SET state = 'paused', changed_at = 600 WHERE id = 'r-1'` },
  {
    sql: `UPDATE rollouts SET state = 'rolled_back', reason = 'the canary was worse', changed_at = 700 WHERE id = 'r-1'`,
  },
  { sql: `UPDATE evaluations SET state = 'running', started_at = 310 WHERE id = 'e-1'` },
  { sql: `UPDATE evaluations SET state = 'succeeded', ended_at = 320 WHERE id = 'e-1'` },
]

test.each([1, 3, 1000])('all that begins and ends is told once, in order, %i at a time', async (limit) => {
  await using hub = await aHistory()
  await hub.database.write([...run(runOf('2')), ...rollout('r-2', 'acoustic', 1, ['d-3']), ...endings])
  const events = await eventsOf(hub, limit)
  const told = events.map(({ eventType, run }) => `${eventType} ${run.facets.roost_node.node}`)
  const pair = (node: string) => [`START ${node}`, `COMPLETE ${node}`]
  expect(told.toSorted()).toEqual(
    [
      ...['vibration/1', 'vibration/2', 'acoustic/1', 'thermal/1'].flatMap((name) => pair(`version:${name}`)),
      ...pair(`run:${runOf('1')}`),
      ...[`START run:${runOf('2')}`, `FAIL run:${runOf('2')}`],
      ...pair('evaluation:e-1'),
      ...['START rollout:r-1', 'FAIL rollout:r-1', 'START rollout:r-2'],
    ].sort(),
  )
  const seqs = events.map(({ run }) => run.facets.roost_node.seq)
  expect(seqs).toEqual(seqs.toSorted((a, b) => a - b))
  for (const ofRun of Map.groupBy(events, ({ run }) => run.runId).values()) expect(ofRun[0]?.eventType).toBe('START')
  expect(new Set(events.map(({ run }) => run.runId)).size).toBe(9)
})

test('a run is told with the data it read and the model it made; a failure with its reason', async () => {
  await using hub = await aHistory()
  await hub.database.write(endings)
  const events = await eventsOf(hub, 100)
  const last = (node: string) => events.findLast(({ run }) => run.facets.roost_node.node === node)
  const ended = last(`run:${runOf('1')}`)
  expect(ended?.run.runId).toBe('11111111-1111-1111-1111-111111111111')
  expect(ended?.eventTime).toBe('1970-01-01T00:00:00.900Z')
  expect(ended?.job.name).toBe('experiment/Default')
  expect(ended?.inputs.map(({ name }) => name)).toEqual(['dataset/train', 'dataset/weather@abc12345'])
  expect(ended?.inputs[0]?.facets.version?.datasetVersion).toBe(digestOf('a'))
  expect(ended?.inputs[0]?.facets.schema?.fields).toEqual([
    { name: 'temperature', type: 'number' },
    { name: 'broken', type: 'number' },
  ])
  expect(ended?.outputs.map(({ name, facets }) => [name, facets.version?.datasetVersion])).toEqual([
    ['model/vibration', '1'],
  ])
  const failed = last('rollout:r-1')
  expect(failed?.inputs.map(({ name }) => name)).toEqual(['model/vibration'])
  expect(failed?.outputs.map(({ name }) => name)).toEqual(['fleet/all/main'])
  expect(failed?.run.facets.errorMessage).toMatchObject({ message: 'the canary was worse' })
})

test('whatever the facts are, the event is valid and the same each time', () => {
  const fault = eventFault(facetsSchema(teller.facetsUrl))
  const Text = fc.string({ unit: 'binary', maxLength: 30 })
  const Dataset = fc.record({
    name: Text,
    version: fc.option(Text, { nil: undefined }),
    description: fc.option(Text, { nil: undefined }),
    fields: fc.option(fc.array(fc.record({ name: Text, type: Text }), { maxLength: 3 }), { nil: undefined }),
    model: fc.option(fc.dictionary(Text, fc.jsonValue()), { nil: undefined }),
  })
  const Facts: fc.Arbitrary<EventFacts> = fc.record({
    seq: fc.nat(),
    times: fc.array(fc.option(fc.oneof(fc.double(), fc.integer(), fc.maxSafeInteger()), { nil: undefined }), {
      maxLength: 3,
    }),
    type: fc.constantFrom(...eventTypes),
    job: fc.constantFrom(...jobs),
    subject: Text,
    of: Text,
    node: fc.record({ name: Text, by: fc.option(Text), facts: fc.dictionary(Text, fc.jsonValue()) }),
    reason: fc.option(Text, { nil: undefined }),
    inputs: fc.array(Dataset, { maxLength: 3 }),
    outputs: fc.array(Dataset, { maxLength: 3 }),
  })
  fc.assert(
    fc.property(Facts, (facts) => {
      const event = runEvent(facts, teller)
      expect(fault(JSON.parse(JSON.stringify(event)))).toBeUndefined()
      expect(runEvent(facts, teller)).toEqual(event)
    }),
    { seed, numRuns: 300 },
  )
})

test('ids of runs are names: others in other namespaces, of other jobs, of other subjects', () => {
  const ids = ['a', 'b'].flatMap((namespace) =>
    jobs.flatMap((job) => ['x', 'y'].map((subject) => runIdOf(namespace, job, subject))),
  )
  expect(new Set(ids).size).toBe(16)
  for (const id of ids) expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
})
