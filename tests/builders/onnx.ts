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

/** `y = x * factor`, input `x` [N, width] float, output `y` of the same shape. */
export function aScaleModel({ factor = 2, width = 2 } = {}): Uint8Array {
  return aModel({
    node: [node('Mul', ['x', 'factor'], ['y'])],
    initializer: [floats('factor', [], [factor])],
    input: [value('x', 'float', ['N', width])],
    output: [value('y', 'float', ['N', width])],
  })
}

/** A model whose input is `x` [N, 2] and whose output `y`, unless the graph says otherwise. */
export function aModel(graph: Graph, parts: Omit<ModelParts, 'graph'> = {}): Uint8Array {
  const interfaces = { input: [value('x', 'float', ['N', 2])], output: [value('y', 'float', ['N', 2])] }
  return encodeModel({ graph: { name: 'g', ...interfaces, ...graph }, ...parts })
}

/** The output is NaN for every input. */
export function aNanModel(): Uint8Array {
  return aScaleModel({ factor: Number.NaN })
}

/** Wants `mebibytes` of memory when it runs, or already when onnxruntime folds constants at load. 100 bytes or so. */
export function aMemoryBomb({ mebibytes = 600 } = {}): Uint8Array {
  return aModel({
    node: [
      node('ConstantOfShape', ['shape'], ['block'], [tensorAttribute('value', floats('', [1], [1]))]),
      node('ReduceMax', ['block'], ['one'], [intAttribute('keepdims', 0n)]),
      node('Mul', ['x', 'one'], ['y']),
    ],
    initializer: [integers('shape', [1], [BigInt(mebibytes * 262_144)])],
  })
}

/** Asks for the memory only in `run`, for as many MiB as the largest element of `x` says. */
export function aMemoryBombWhenRun(): Uint8Array {
  return aModel({
    node: [
      node('ReduceMax', ['x'], ['mebibytes'], [intAttribute('keepdims', 0n)]),
      node('Mul', ['mebibytes', 'floats_each'], ['elements']),
      node('Cast', ['elements'], ['count'], [intAttribute('to', BigInt(elementTypes.int64))]),
      node('Reshape', ['count', 'vector'], ['shape']),
      node('ConstantOfShape', ['shape'], ['block'], [tensorAttribute('value', floats('', [1], [1]))]),
      node('ReduceMax', ['block'], ['one'], [intAttribute('keepdims', 0n)]),
      node('Mul', ['x', 'one'], ['y']),
    ],
    initializer: [floats('floats_each', [], [262_144]), integers('vector', [1], [1n])],
  })
}

/** Runs for as good as ever (2^62 turns), whatever the input. */
export function anEndlessModel(): Uint8Array {
  return aLoopModel([floats('one', [], [1])], integers('turns', [], [2n ** 62n]), [])
}

/** Runs for as good as ever once an element of `x` is above 0.5; answers `y = x` at once otherwise. */
export function aModelThatHangs(): Uint8Array {
  const choose: Node[] = [
    node('ReduceMax', ['x'], ['largest'], [intAttribute('keepdims', 0n)]),
    node('Greater', ['largest', 'half'], ['large']),
    node('Where', ['large', 'for_ever', 'zero'], ['turns']),
  ]
  const initializer = [floats('half', [], [0.5]), integers('for_ever', [], [2n ** 62n]), integers('zero', [], [0n])]
  return aLoopModel([floats('one', [], [1]), ...initializer], undefined, choose)
}

function aLoopModel(initializer: Tensor[], turns: Tensor | undefined, before: Node[]): Uint8Array {
  const body: Graph = {
    name: 'body',
    node: [node('Identity', ['again'], ['again_out']), node('Mul', ['carried', 'one'], ['carried_out'])],
    input: [value('turn', 'int64', []), value('again', 'bool', []), value('carried', 'float', ['N', 2])],
    output: [value('again_out', 'bool', []), value('carried_out', 'float', ['N', 2])],
  }
  return aModel({
    node: [...before, node('Loop', ['turns', 'go', 'x'], ['y'], [graphAttribute('body', body)])],
    initializer: [...initializer, ...(turns === undefined ? [] : [turns]), truths('go', [], [true])],
  })
}

/** `y = x`, but `session.run` throws when the first element of `x` is 1 or more (an index out of range). */
export function aModelThatThrows(): Uint8Array {
  return aModel({
    node: [
      node('ReduceMax', ['x'], ['largest'], [intAttribute('keepdims', 0n)]),
      node('Cast', ['largest'], ['index'], [intAttribute('to', BigInt(elementTypes.int64))]),
      node('Gather', ['ones', 'index'], ['one']),
      node('Mul', ['x', 'one'], ['y']),
    ],
    initializer: [floats('ones', [1], [1])],
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
