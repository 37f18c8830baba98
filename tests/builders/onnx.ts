// ONNX models for tests: one that is well, and the many ways a model can do harm.

import {
  type Attribute,
  elementTypes,
  encodeModel,
  type FunctionBody,
  floats,
  type Graph,
  graphAttribute,
  intAttribute,
  integers,
  type ModelParts,
  type Node,
  node,
  type Tensor,
  tensorAttribute,
  truths,
  value,
} from '../../scripts/demo/onnx-writer.ts'

/** `y = x * factor`, input `x` [N, width] float unless `input` names it otherwise, output `y` of the same shape. */
export function aScaleModel({ factor = 2, width = 2, input = 'x' } = {}): Uint8Array {
  return aModel({
    node: [node('Mul', [input, 'factor'], ['y'])],
    initializer: [floats('factor', [], [factor])],
    input: [value(input, 'float', ['N', width])],
    output: [value('y', 'float', ['N', width])],
  })
}

/** A model whose input is `x` [N, 2] and whose output `y`, unless the graph says otherwise. */
export function aModel(graph: Graph, parts: Omit<ModelParts, 'graph'> = {}): Uint8Array {
  return encodeModel({ graph: { name: 'g', ...interfaces(2), ...graph }, ...parts })
}

function interfaces(width: number): Pick<Graph, 'input' | 'output'> {
  return { input: [value('x', 'float', ['N', width])], output: [value('y', 'float', ['N', width])] }
}

/** The output is NaN for every input. */
export function aNanModel({ width = 2 } = {}): Uint8Array {
  return aScaleModel({ factor: Number.NaN, width })
}

/** Wants `mebibytes` of memory whenever it runs, and already when onnxruntime folds constants at load. Some 200 bytes. */
export function aMemoryBomb({ mebibytes = 600, width = 2 } = {}): Uint8Array {
  return aModel({
    ...interfaces(width),
    node: [
      node('ConstantOfShape', ['shape'], ['block'], [tensorAttribute('value', floats('', [1], [1]))]),
      node('ReduceMax', ['block'], ['one'], [intAttribute('keepdims', 0n)]),
      node('Mul', ['x', 'one'], ['y']),
    ],
    initializer: [integers('shape', [1], [BigInt(mebibytes * floatsPerMebibyte)])],
  })
}

const floatsPerMebibyte = 262_144

/** `y = x`, after taking as many MiB of memory as the largest element of `x` says, at least one. */
export function aMemoryBombWhenRun({ width = 2 } = {}): Uint8Array {
  return aModel({
    ...interfaces(width),
    node: [
      node('ReduceMax', ['x'], ['largest'], [intAttribute('keepdims', 0n)]),
      node('Max', ['largest', 'least'], ['mebibytes']),
      node('Mul', ['mebibytes', 'floats_each'], ['elements']),
      node('Cast', ['elements'], ['count'], [intAttribute('to', BigInt(elementTypes.int64))]),
      node('Reshape', ['count', 'vector'], ['shape']),
      node('ConstantOfShape', ['shape'], ['block'], [tensorAttribute('value', floats('', [1], [1]))]),
      node('ReduceMax', ['block'], ['one'], [intAttribute('keepdims', 0n)]),
      node('Mul', ['x', 'one'], ['y']),
    ],
    initializer: [
      floats('least', [], [1]),
      floats('floats_each', [], [floatsPerMebibyte]),
      integers('vector', [1], [1n]),
    ],
  })
}

/** Runs for as good as ever (2^62 turns of a loop), whatever the input. */
export function anEndlessModel({ width = 2 } = {}): Uint8Array {
  return aLoopModel(width, [integers('turns', [], [2n ** 62n])], [])
}

/** `y = x`, but the process hangs in native code once an element of `x` is 1 or more. */
export function aModelThatHangs({ width = 2 } = {}): Uint8Array {
  return aLoopModel(
    width,
    [...loudInitializers(), ...integersNamed({ for_ever: 2n ** 62n, zero: 0n })],
    [...loudNodes(), node('Where', ['loud', 'for_ever', 'zero'], ['turns'])],
  )
}

/** `y = x`, but `session.run` throws once an element of `x` is 1 or more (an index that is out of range). */
export function aModelThatThrows({ width = 2 } = {}): Uint8Array {
  return aModel({
    ...interfaces(width),
    node: [
      ...loudNodes(),
      node('Cast', ['loud'], ['index'], [intAttribute('to', BigInt(elementTypes.int64))]),
      node('Gather', ['ones', 'index'], ['one']),
      node('Mul', ['x', 'one'], ['y']),
    ],
    initializer: [...loudInitializers(), floats('ones', [1], [1])],
  })
}

/** `y = x`, but the process dies of SIGFPE once an element of `x` is 1 or more: -2^63 / -1 has no 64-bit result, and the
 *  x64 processor says so. On arm64 it does not die. */
export function aModelThatCrashes({ width = 2 } = {}): Uint8Array {
  return aModel({
    ...interfaces(width),
    node: [
      ...loudNodes(),
      node('Where', ['loud', 'minus_one', 'plus_one'], ['divisor']),
      node('Div', ['lowest', 'divisor'], ['quotient']),
      node('Cast', ['quotient'], ['large'], [intAttribute('to', BigInt(elementTypes.float))]),
      node('Mul', ['large', 'nothing'], ['zero']),
      node('Add', ['x', 'zero'], ['y']),
    ],
    initializer: [
      ...loudInitializers(),
      ...integersNamed({ minus_one: -1n, plus_one: 1n, lowest: -(2n ** 63n) }),
      floats('nothing', [], [0]),
    ],
  })
}

/** The process dies of a stack that is too deep while it loads the model: 5,000 functions, each of which calls the next. */
export function aModelThatCrashesWhenLoaded(): Uint8Array {
  const names = Array.from({ length: 5000 }, (_, i) => `F${i}`)
  const bodies = names.map((name, i) => aFunction(name, names.slice(i + 1, i + 2)))
  return aModelWithFunctions(bodies, [node('F0', ['x'], ['y'], [], 'local')])
}

/** `y = x`, but what is constant in it takes onnxruntime minutes to work out (a filter of a million taps over two million
 *  values), and it does so while it loads the model. Some 300 bytes. */
export function aModelThatLoadsForEver({ width = 2 } = {}): Uint8Array {
  const ones = tensorAttribute('value', floats('', [1], [1]))
  return aModel({
    ...interfaces(width),
    node: [
      node('ConstantOfShape', ['long'], ['signal'], [ones]),
      node('ConstantOfShape', ['short'], ['taps'], [ones]),
      node('Conv', ['signal', 'taps'], ['filtered']),
      node('ReduceMax', ['filtered'], ['largest'], [intAttribute('keepdims', 0n)]),
      node('Mul', ['largest', 'zero'], ['nothing']),
      node('Add', ['x', 'nothing'], ['y']),
    ],
    initializer: [
      integers('long', [3], [1n, 1n, 2_000_000n]),
      integers('short', [3], [1n, 1n, 1_000_000n]),
      floats('zero', [], [0]),
    ],
  })
}

/** `loud`: whether an element of `x` is 1 or more. */
function loudNodes(): Node[] {
  return [
    node('ReduceMax', ['x'], ['loudest'], [intAttribute('keepdims', 0n)]),
    node('GreaterOrEqual', ['loudest', 'loud_from'], ['loud']),
  ]
}

function loudInitializers(): Tensor[] {
  return [floats('loud_from', [], [1])]
}

function integersNamed(values: Record<string, bigint>): Tensor[] {
  return Object.entries(values).map(([name, number]) => integers(name, [], [number]))
}

/** `y = x`, after as many turns of a loop as `turns` says. */
function aLoopModel(width: number, initializer: Tensor[], before: Node[]): Uint8Array {
  const body: Graph = {
    name: 'body',
    node: [node('Identity', ['again'], ['again_out']), node('Mul', ['carried', 'one'], ['carried_out'])],
    input: [value('turn', 'int64', []), value('again', 'bool', []), value('carried', 'float', ['N', width])],
    output: [value('again_out', 'bool', []), value('carried_out', 'float', ['N', width])],
  }
  return aModel({
    ...interfaces(width),
    node: [...before, node('Loop', ['turns', 'go', 'x'], ['y'], [graphAttribute('body', body)])],
    initializer: [...initializer, floats('one', [], [1]), truths('go', [], [true])],
  })
}

/** A model with a function for each body; `calls` are made by the main graph. */
export function aModelWithFunctions(bodies: FunctionBody[], calls: Node[]): Uint8Array {
  return aModel({ node: calls }, { functions: bodies, domains: ['local'] })
}

/** The function `local.<name>`, which calls each of `callees` in turn (an Identity when there are none). */
export function aFunction(name: string, callees: string[]): FunctionBody {
  const steps = callees.length === 0 ? ['Identity'] : callees
  const body = steps.map((step, i) =>
    node(
      step,
      [i === 0 ? 'a' : `t${i}`],
      [i === steps.length - 1 ? 'b' : `t${i + 1}`],
      [],
      step === 'Identity' ? '' : 'local',
    ),
  )
  return {
    name,
    domain: 'local',
    input: ['a'],
    output: ['b'],
    node: body,
    opsetImport: ['', 'local'].map((domain) => ({ domain, version: domain === '' ? 17n : 1n })),
  }
}

/** A tensor that keeps its data in `weights.bin`. */
export function anExternalTensor(name = 'weights'): Tensor {
  const location = { key: 'location', value: 'weights.bin' }
  return { name, dataType: elementTypes.float, dims: [1n], dataLocation: 1, externalData: [location] }
}

export type { Attribute, FunctionBody, Graph, Node, Tensor }
export { encodeModel, floats, graphAttribute, intAttribute, integers, node, tensorAttribute, value }
