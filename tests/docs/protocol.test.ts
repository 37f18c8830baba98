// docs/protocol.md held against the code: every field of every message with its limits and words, every limit of the
// broker, every refusal, every example. Another team writes an agent by that page alone.

import { readFileSync } from 'node:fs'
import { Golden } from '@roost/shared/bundle/golden.ts'
import { BundleFile, chunkBytes, Limits, Manifest, Task } from '@roost/shared/bundle/manifest.ts'
import { TensorSpec, TensorValue } from '@roost/shared/bundle/tensor.ts'
import { Baseline, BaselineColumn, WindowSpec } from '@roost/shared/drift/baseline.ts'
import { DriftVerdict, evidenceLimit, Movement } from '@roost/shared/drift/verdict.ts'
import { FeatureDefinitions, Transform } from '@roost/shared/features/definition.ts'
import { Profile } from '@roost/shared/profiles/profile.ts'
import { EnrolRequest, EnrolResponse, enrolmentClaim } from '@roost/shared/protocol/enrolment.ts'
import * as messages from '@roost/shared/protocol/messages.ts'
import { Milliseconds } from '@roost/shared/protocol/names.ts'
import { FailureReason, isTerminal, ProgressState, progressStates } from '@roost/shared/protocol/progress.ts'
import {
  Agreement,
  DeviceEvent,
  Difference,
  Gap,
  LabelCounts,
  MetricSum,
  RecordBody,
  WindowReport,
} from '@roost/shared/protocol/records.ts'
import { chunkTopic, downKinds, downTopic, shardOf, upKinds, upTopic } from '@roost/shared/protocol/topics.ts'
import { encode } from '@roost/shared/protocol/wire.ts'
import { ColumnCounts, ColumnScale } from '@roost/shared/sketch/column.ts'
import { LatencyCounts } from '@roost/shared/sketch/latency.ts'
import { Assignment } from '@roost/shared/trust/assignment.ts'
import {
  encodeEnvelope,
  envelopeBytesMax,
  payloadTypes,
  preAuthenticationEncoding,
  signaturesMax,
  signEnvelope,
} from '@roost/shared/trust/envelope.ts'
import { keyPairFromSeed, PublicKey } from '@roost/shared/trust/keys.ts'
import { Role, Root, roles } from '@roost/shared/trust/root.ts'
import { depthMax } from '@roost/shared/trust/strict-json.ts'
import nacl from 'tweetnacl'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { readConfig } from '../../agent/config.ts'
import { helloRetryMs, mqttDeadlineMs, reconnectMinMs } from '../../agent/control/agent.ts'
import { silenceMaxMs as httpSilenceMs } from '../../agent/download/http-way.ts'
import { wantTimes, windowFirst, windowMin } from '../../agent/download/plan.ts'
import { connectTimeoutMs, keepaliveSeconds, stableMs } from '../../agent/link/session.ts'
import { confirmMs, confirmMsMax } from '../../agent/outbox/shipping.ts'
import type { RefusalCode } from '../../agent/reconcile/accept.ts'
import { inferencesMin } from '../../agent/reconcile/probation.ts'
import { bodyBytesMax } from '../../hub/app.ts'
import { assignmentLifetimeMs } from '../../hub/fleet/assign.ts'
import { lagBytesMax, patienceMs, patienceWithMostMs } from '../../hub/fleet/broadcast.ts'
import { brokerLimits, controlBytesMax } from '../../hub/fleet/broker.ts'
import { asksRememberedMs } from '../../hub/fleet/chunk-ledger.ts'
import { chunkServerLimits } from '../../hub/fleet/chunks.ts'
import type { Refusal } from '../../hub/fleet/connections.ts'
import { deploymentsMax } from '../../hub/fleet/desired.ts'
import { messagesInHandMax } from '../../hub/fleet/read-gate.ts'
import { type Dropped, helloEveryMs, hellosAtOnceMax } from '../../hub/fleet/session.ts'
import { willBytesMax } from '../../hub/fleet/topic-access.ts'
import { writesWaitingMax } from '../../hub/fleet/write-gatherer.ts'
import { batchesWaitingMax, bytesWaitingMax } from '../../hub/telemetry/ingest.ts'
import { codeIn, readSections, type Table } from './document.ts'

const page = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8')
const sections = readSections(page)
const profileFile = new URL('../../firmware-profiles/generic-x64.json', import.meta.url)

/** The only table of a section whose first column has this name. */
function tableOf(heading: string, firstColumn: string, place = 0): Table {
  const found = sections.filter((section) => section.heading === heading)
  const tables = found.flatMap(({ tables }) => tables).filter(({ header }) => header[0] === firstColumn)
  const table = tables[place]
  if (table === undefined) throw new Error(`no table of ${firstColumn} under ${heading}`)
  return table
}

const firsts = ({ rows }: Table) => rows.flatMap(([first]) => codeIn(first))

/** Schemas with a section of their own; a field of such a type links to it instead of listing its fields. */
const described = new Map<z.ZodType, string>([
  [messages.SlotReport, 'slot'],
  [messages.OutboxRecord, 'outbox record'],
  [messages.SealedKey, 'sealed key'],
  [messages.Patch, 'patch'],
  [BundleFile, 'file'],
  [TensorSpec, 'tensor'],
  [TensorValue, 'tensor value'],
  [Limits, 'limits'],
  [Task, 'task'],
  [WindowSpec, 'window length'],
  [BaselineColumn, 'baseline column'],
  [ColumnScale, 'scale'],
  [ColumnCounts, 'column counts'],
  [LatencyCounts, 'latency counts'],
  [LabelCounts, 'label counts'],
  [Agreement, 'agreement'],
  [Difference, 'difference'],
  [MetricSum, 'metric sum'],
  [DriftVerdict, 'drift verdict'],
  [Movement, 'movement'],
  [PublicKey, 'public key'],
  [Role, 'role'],
  [Transform, 'transform'],
  [ProgressState, 'progress'],
])

const objects: [heading: string, schema: z.ZodType, place?: number][] = [
  ['Enrolment over HTTP', EnrolRequest],
  ['Enrolment over HTTP', EnrolResponse, 1],
  ['up/hello', messages.Hello],
  ['slot', messages.SlotReport],
  ['up/reports', messages.Reports],
  ['outbox record', messages.OutboxRecord],
  ['up/want', messages.Want],
  ['up/presence', messages.Presence],
  ['down/assign', messages.Assign],
  ['sealed key', messages.SealedKey],
  ['patch', messages.Patch],
  ['down/ack', messages.Ack],
  ['chunk', messages.Chunk],
  ['root', Root],
  ['public key', PublicKey],
  ['role', Role],
  ['assignment', Assignment],
  ['manifest', Manifest],
  ['file', BundleFile],
  ['tensor', TensorSpec],
  ['limits', Limits],
  ['window length', WindowSpec],
  ['task', Task],
  ['golden file', Golden],
  ['tensor value', TensorValue],
  ['features file', FeatureDefinitions],
  ['baseline file', Baseline],
  ['baseline column', BaselineColumn],
  ['record window', WindowReport],
  ['column counts', ColumnCounts],
  ['latency counts', LatencyCounts],
  ['label counts', LabelCounts],
  ['agreement', Agreement],
  ['difference', Difference],
  ['metric sum', MetricSum],
  ['drift verdict', DriftVerdict],
  ['movement', Movement],
  ['record gap', Gap],
  ...DeviceEvent.options.map((option, i): [string, z.ZodType] => {
    const heading = ['event progress', 'event drift', 'event refused', 'event runtime_died', 'event other'][i]
    return [heading ?? '', option]
  }),
]

type Field = { path: string; schema: z.ZodType; optional: boolean; link: string | undefined }

/** The fields of an object, nested ones as `outbox.epoch` and `vectors[].inputs`. */
function fieldsOf(schema: z.ZodType, prefix = ''): Field[] {
  if (!(schema instanceof z.ZodObject)) throw new Error(`${prefix} is no object`)
  return Object.entries(schema.shape).flatMap(([name, type]) =>
    fieldsAt(`${prefix}${name}`, z.instanceof(z.ZodType).parse(type)),
  )
}

function fieldsAt(path: string, schema: z.ZodType): Field[] {
  const optional = schema instanceof z.ZodOptional
  const inner = optional ? z.instanceof(z.ZodType).parse(schema.unwrap()) : schema
  const element = elementOf(inner)
  const link = described.get(element ?? inner)
  if (link === undefined && inner instanceof z.ZodObject) return fieldsOf(inner, `${path}.`)
  const self: Field = { path, schema: inner, optional, link }
  if (link === undefined && element instanceof z.ZodObject) return [self, ...fieldsOf(element, `${path}[].`)]
  return [self]
}

function elementOf(schema: z.ZodType): z.ZodType | undefined {
  if (schema instanceof z.ZodArray) return z.instanceof(z.ZodType).parse(schema.element)
  if (schema instanceof z.ZodRecord) return z.instanceof(z.ZodType).parse(schema.valueType)
  return undefined
}

/** Words and numbers that the row of a field must name: its values, and its bounds other than 0 and what no double holds. */
function boundsOf(schema: z.ZodType): string[] {
  const said: string[] = []
  const look = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return
    for (const [key, value] of Object.entries(node)) {
      if (key === 'enum' || key === 'const') said.push(...[value].flat().map(String))
      else if (
        boundKeys.has(key) &&
        typeof value === 'number' &&
        value !== 0 &&
        Math.abs(value) < Number.MAX_SAFE_INTEGER
      )
        said.push(value.toLocaleString('en-US'))
      else if (!key.startsWith('$') && key !== 'pattern') look(value)
    }
  }
  look(z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }))
  return said
}
const boundKeys = new Set(['maxItems', 'minItems', 'maxLength', 'minLength', 'maximum', 'minimum'])

describe('every field is there, with its limits, its words and its links', () => {
  test.each(objects)('%s', (heading, schema, place = 0) => {
    const table = tableOf(heading, 'field', place)
    const fields = fieldsOf(schema)
    expect(firsts(table)).toEqual(fields.map(({ path }) => path))
    for (const { path, schema: type, optional, link } of fields) {
      const [, row = '', ...rest] = table.rows.find(([first]) => first === `\`${path}\``) ?? []
      const text = [row, ...rest].join(' ')
      expect(`${path}: ${row}`).toMatch(optional ? /optional/ : /^(?!.*, optional)/)
      if (link !== undefined && link !== heading)
        expect(`${path}: ${text}`).toContain(`](#${link.replaceAll(' ', '-')})`)
      // times, as names and digests, have their form at the top of the page
      if (type === Milliseconds) {
        expect(`${path}: ${row}`).toContain('milliseconds')
        continue
      }
      const element = elementOf(type)
      const own = link === undefined && element instanceof z.ZodObject ? z.array(z.unknown()) : type
      const bounds =
        link === undefined || type instanceof z.ZodArray ? boundsOf(link === undefined ? own : emptied(type)) : []
      for (const bound of bounds) {
        // reasons have a table of their own
        if (FailureReason.options.some((reason) => reason === bound)) continue
        expect(`${path}: ${text}`).toContain(bound)
      }
    }
  })
})

/** An array's own bounds without those of its elements. */
function emptied(schema: z.ZodType): z.ZodType {
  const { minItems, maxItems } = z
    .looseObject({ minItems: z.number().optional(), maxItems: z.number().optional() })
    .parse(z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }))
  return z
    .array(z.unknown())
    .min(minItems ?? 0)
    .max(maxItems ?? Number.MAX_SAFE_INTEGER)
}

test('times reach as far as they may', () => {
  const time = tableOf('Names and encodings', 'name').rows.find(([name]) => name === 'time')
  for (const bound of boundsOf(Milliseconds)) expect(time?.join(' ')).toContain(bound)
})

describe('kinds', () => {
  test('commands', () => {
    const said = messages.Command.options.flatMap(({ shape }) => boundsOf(z.object(shape)))
    const { rows } = tableOf('down/command', 'field')
    expect(rows.flatMap(([, type]) => codeIn(type)).sort()).toEqual([...said].sort())
    expect(firsts({ header: [], rows })).toEqual([
      ...new Set(messages.Command.options.flatMap(({ shape }) => Object.keys(shape))),
    ])
  })

  test('records, events included', () => {
    const kinds = new Set(
      RecordBody.options.flatMap((option) =>
        boundsOf(option instanceof z.ZodObject ? option.shape.kind : z.literal('event')),
      ),
    )
    for (const kind of kinds) expect(page).toContain(`| \`kind\` | \`${kind}\` | |`)
    expect([...kinds].sort()).toEqual(['event', 'gap', 'window'])
  })

  test('transforms with their bounds', () => {
    const { rows } = tableOf('transform', 'kind')
    expect(rows.map(([kind, fields]) => `${codeIn(kind)} ${fields?.replaceAll('`', '')}`.trim())).toEqual(
      Transform.options.map(({ shape }) => {
        const { kind, ...further } = shape
        const bounds = Object.entries(further).map(([name, type]) => {
          const [least, most] = boundsOf(type)
          return `${name}, ${least} to ${most}`
        })
        return [...boundsOf(kind), ...bounds].join(' ')
      }),
    )
  })

  test('scales', () => {
    expect(firsts(tableOf('scale', 'type'))).toEqual(['numeric', 'categorical'])
    for (const option of ColumnScale.options) {
      const [kind = '', ...bounds] = boundsOf(option)
      const row = tableOf('scale', 'type')
        .rows.find(([first]) => first === `\`${kind}\``)
        ?.join(' ')
      for (const name of Object.keys(option.shape).slice(1)) expect(row).toContain(`\`${name}\``)
      for (const bound of bounds) expect(row).toContain(bound)
    }
  })

  test('progress states in their order, with who says them and which end', () => {
    const { rows } = tableOf('Progress', 'state')
    expect(rows.flatMap(([state]) => codeIn(state))).toEqual([...progressStates])
    for (const [state, , meaning] of rows) {
      expect(`${state} ${meaning?.startsWith('ends: ')}`).toBe(
        `${state} ${isTerminal(ProgressState.parse(codeIn(state)[0]))}`,
      )
    }
    expect(firsts(tableOf('Progress', 'reason'))).toEqual(FailureReason.options)
  })

  test('roles, and the three documents with their longest envelopes', () => {
    expect(firsts(tableOf('Trust', 'role'))).toEqual([...roles])
    expect(tableOf('envelope', 'document').rows).toEqual(
      Object.entries(payloadTypes).map(([name, type]) => [
        name,
        `\`${type}\``,
        `${envelopeBytesMax[type].toLocaleString('en-US')} bytes`,
      ]),
    )
    expect(page).toContain(`\`signatures\` | 1 to ${signaturesMax} |`)
    expect(page).toContain(`at most ${depthMax} levels\ndeep`)
  })

  test('the fields of an envelope', () => {
    const envelope = signEnvelope(payloadTypes.root, Buffer.from('{}'), [pair])
    const json: unknown = JSON.parse(Buffer.from(encodeEnvelope(envelope)).toString())
    const names = z
      .object({ signatures: z.tuple([z.looseObject({})]) })
      .loose()
      .parse(json)
    expect(firsts(tableOf('envelope', 'field'))).toEqual(
      [...Object.keys(names), ...Object.keys(names.signatures[0]).map((name) => `signatures[].${name}`)].sort(
        (a, b) => order.indexOf(a) - order.indexOf(b),
      ),
    )
  })
  const order = ['payloadType', 'payload', 'signatures', 'signatures[].keyid', 'signatures[].sig']
})

describe('topics', () => {
  test('are those of the code, and no other', () => {
    const device = 'gateway-7'
    const written = firsts(tableOf('Topics', 'topic')).map((topic) =>
      topic
        .replace('{shard}', String(shardOf(device)))
        .replace('{device}', device)
        .replace('{blob}', 'ab'.repeat(32))
        .replace('{index}', '5'),
    )
    expect(written).toEqual([
      ...upKinds.map((kind) => upTopic(device, kind)),
      ...downKinds.map((kind) => downTopic(device, kind)),
      chunkTopic('ab'.repeat(32), 5),
    ])
  })
})

describe('limits', () => {
  const { gatherQuietMs, gatherMostMs, tellingMostMs, againAfterMs, asksPerChunkMax, blobsMax } = chunkServerLimits
  const limits: Record<string, number> = {
    ...brokerLimits,
    messageBytesMax: messages.messageBytesMax,
    chunksWantedMax: messages.chunksWantedMax,
    controlBytesMax,
    willBytesMax,
    messagesInHandMax,
    hellosAtOnceMax,
    helloEveryMs,
    writesWaitingMax,
    batchesWaitingMax,
    bytesWaitingMax,
    asksRememberedMs,
    gatherQuietMs,
    gatherMostMs,
    tellingMostMs,
    againAfterMs,
    asksPerChunkMax,
    blobsMax,
    lagBytesMax,
    patienceMs,
    patienceWithMostMs,
    assignmentLifetimeMs,
    deploymentsMax,
    bodyBytesMax,
  }

  test('of the broker and beyond are the constants of the code', () => {
    const { rows } = tableOf('Limits of the broker, and what happens at them', 'limit')
    const written = rows.map(([name, value]) => [codeIn(name)[0], Number(value?.replaceAll(/[^\d]/g, ''))])
    expect(Object.fromEntries(written)).toEqual(limits)
  })

  test('in the text too', () => {
    expect(chunkBytes).toBe(messages.chunkBytesMax)
    expect(page).toContain(`\`index\` × ${chunkBytes.toLocaleString('en-US')}`)
    expect(page).toContain(`drift at ${evidenceLimit.toLocaleString('en-US')}`)
    expect(page).toContain(`At most ${hellosAtOnceMax} in a row are answered`)
    expect(page).toContain(`1 to ${brokerLimits.keepAliveSecondsMax} seconds`)
    expect(page).toContain(`ask for the same chunk ${asksPerChunkMax} times in\nten minutes`)
  })
})

test('times of the reference agent', () => {
  const seconds = (...times: number[]) => times.map((ms) => `${ms / 1000} s`).join(', ')
  const config = readConfig([], {})
  const profile = Profile.parse(JSON.parse(readFileSync(profileFile, 'utf8')))
  const { silenceMs, silenceMaxMs } = wantTimes
  const wantPauses = Array.from({ length: wantTimes.silentAsksMax + 1 }, (_, n) =>
    Math.min(silenceMs * 2 ** n, silenceMaxMs),
  )
  const { rows } = tableOf('Times of the reference agent', 'what')
  const said = Object.fromEntries(rows.map(([what, text = '']) => [what, text]))
  const expected = {
    'to reach the broker and be granted its own topics': `${seconds(connectTimeoutMs)}, and ${seconds(mqttDeadlineMs)}`,
    'keep-alive': `${keepaliveSeconds} s`,
    'pause before it tries again': `up to ${seconds(reconnectMinMs, 2 * reconnectMinMs, 4 * reconnectMinMs)} … ${seconds(config.reconnectMaxMs)}; from ${seconds(reconnectMinMs)} again after a connection that lasted ${seconds(stableMs)}`,
    'a hello without an answer is repeated after': `${seconds(helloRetryMs, 2 * helloRetryMs, 4 * helloRetryMs)} … ${config.helloIntervalMs / 3_600_000} h`,
    'between hellos that are answered': `${config.helloIntervalMs / 3_600_000} h`,
    stale: `after ${config.staleAfterMs / 3_600_000} h`,
    'reports without an `ack` are sent again after': `${seconds(confirmMs, 2 * confirmMs, 4 * confirmMs)} … ${seconds(confirmMsMax)}`,
    'a want that brings nothing is repeated after': seconds(...wantPauses),
    'chunks asked for at a time': `${windowFirst}; up to ${messages.chunksWantedMax} while they come, half of it, at least ${windowMin},`,
    'HTTP: silence that ends a request': seconds(httpSilenceMs),
    probation: `${seconds(profile.probationMs)}, as the profile says; taken back where more than ${100 * profile.probationErrorShareMax} % of its inferences failed, or took longer than \`inferenceMs\`, of at least ${inferencesMin}`,
  }
  expect(Object.keys(said)).toEqual(Object.keys(expected))
  for (const [what, text] of Object.entries(expected)) expect(said[what]).toContain(text)
})

describe('refusals', () => {
  // Complete by their types: a new one without a line here does not compile.
  const refused = {
    'too-many-connections': true,
    'too-many-from-address': true,
    'too-many-unaccepted': true,
    'connect-timeout': true,
    'not-mqtt': true,
    'malformed-length': true,
    'packet-too-long': true,
    'unaccepted-bytes': true,
    identity: true,
    secret: true,
    'session-kept': true,
    will: true,
    'publish-topic': true,
    'publish-qos': true,
    'publish-retained': true,
    'publish-too-long': true,
    subscription: true,
    backlog: true,
    'message-failed': true,
  } satisfies Record<Refusal, true>
  const dropped = {
    'unreadable-hello': true,
    'unreadable-reports': true,
    'unreadable-want': true,
    'unreadable-presence': true,
    'hello-too-often': true,
    'want-not-assigned': true,
    'want-no-such-chunk': true,
    'want-too-often': true,
    'want-too-many-blobs': true,
  } satisfies Record<Dropped, true>
  const codes = {
    'too-large': true,
    malformed: true,
    'payload-type': true,
    threshold: true,
    key: true,
    'root-version': true,
    device: true,
    nonce: true,
    'generation-old': true,
    'generation-content': true,
    manifest: true,
    message: true,
    'manifest-missing': true,
    counter: true,
    floors: true,
  } satisfies Record<RefusalCode, true>

  test('of the broker, of the hub and of a device are all named', () => {
    const heading = 'Limits of the broker, and what happens at them'
    expect(firsts(tableOf(heading, 'reason'))).toEqual(Object.keys(refused))
    expect(firsts(tableOf(heading, 'reason', 1))).toEqual(Object.keys(dropped))
    expect(firsts(tableOf('assignment', 'code'))).toEqual(Object.keys(codes))
  })

  test('of an enrolment are those the code throws', () => {
    const source = readFileSync(new URL('../../hub/fleet/enrolment.ts', import.meta.url), 'utf8')
    const [, said = ''] = /@throws Problem ([\w-]+(?:, [\w-]+)*)/.exec(source) ?? []
    const { rows } = tableOf('Enrolment over HTTP', 'status')
    const written = rows.flatMap(([, code]) => codeIn(code)).filter((code) => code !== 'invalid-request')
    expect(written.sort()).toEqual(said.split(', ').sort())
  })
})

const pair = keyPairFromSeed(new Uint8Array(32).fill(7))

describe('the examples', () => {
  const request = {
    token: `roostclaim_0123456789ab_${'A'.repeat(43)}`,
    device: 'gateway-7',
    profile: 'generic-x64',
    signKey: Buffer.from(pair.publicKey).toString('base64'),
    sealKey: Buffer.alloc(32, 9).toString('base64'),
  }
  const claim = enrolmentClaim(request)
  const epoch = '0011223344556677'
  const hello: messages.Hello = {
    nonce: Buffer.alloc(16, 1),
    agent: 'mine/1',
    profile: 'generic-x64',
    rootVersion: 1,
    generation: 0,
    slots: [],
    denied: [],
    outbox: { epoch, head: 0, tail: 0 },
    stale: false,
  }
  const hex = (message: unknown) => Buffer.from(encode(message)).toString('hex')

  test.each([
    ['topic', upTopic('gateway-7', 'hello')],
    ['public key', `\`${request.signKey}\``],
    ['key id', pair.keyid],
    ['claim', Buffer.from(claim).toString().replaceAll('\n', '\n  ')],
    ['proof', Buffer.from(nacl.sign.detached(Uint8Array.from(claim), pair.secretKey)).toString('base64')],
    ['what is signed', Buffer.from(preAuthenticationEncoding(payloadTypes.assignment, Buffer.from('{}'))).toString()],
    ['ack', `\`${hex({ epoch, seq: 7 })}\``],
    ['hello', `\`${hex(hello)}\``],
  ])('%s', (_, value) => {
    expect(page.slice(page.indexOf('## Examples'))).toContain(value)
  })
})
