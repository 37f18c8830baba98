// The networks of bench `delta`: a task with ten classes, a network of five megabytes that has learned it, and what becomes
// of the network when the task shifts a little: trained further as one usually does, more gently, with most layers
// frozen, and from scratch. As ONNX files with weights of three types.

import { encodeModel, floats, intAttribute, type Node, node, type Tensor, value } from '../../demo/onnx-writer.ts'
import { accuracy, aNetwork, copyOf, type Network, normalFrom, type Rows, seeded, train } from './network.ts'

const width = 64
const classes = 10
/** Clusters of each class. */
const modes = 3
/** 1.25 million weights. */
const widths = [width, 1024, 1024, 128, classes]
const rowsPerStep = 32
/** Adam's usual step size; a tenth of it is what one trains further with. */
const learningRate = 1e-3
const steps = { first: 80, further: 40 }

export type Update = { name: string; network: Network; accuracy: number }

/** `before`, and what training made of it. Takes a minute; the same in every run. */
export function trainedNetworks(): { before: Update; updates: Update[] } {
  const [rows, shifted, held] = [someRows(2, 0, 4_000), someRows(3, 0.3, 4_000), someRows(4, 0.3, 500)]
  const learn = (network: Network, on: Rows, count: number, rate: number, frozenLayers = 0) => {
    train(network, on, { steps: count, rowsPerStep, learningRate: rate, frozenLayers }, seeded(5))
    return network
  }
  const before = learn(aNetwork(widths, seeded(7)), rows, steps.first, learningRate)
  const further = (rate: number, frozenLayers = 0) => learn(copyOf(before), shifted, steps.further, rate, frozenLayers)
  const named = (name: string, network: Network): Update => ({ name, network, accuracy: accuracy(network, held) })
  return {
    before: named('before', before),
    updates: [
      named('fine-tuned gently', further(learningRate / 100)),
      named('fine-tuned', further(learningRate / 10)),
      named('partly frozen', further(learningRate / 10, 2)),
      named('from scratch', learn(aNetwork(widths, seeded(8)), shifted, steps.first, learningRate)),
    ],
  }
}

/** Points around the clusters' centres; `shift`: how far all of them were moved since. */
function someRows(seed: number, shift: number, count: number): Rows {
  const fixed = normalFrom(seeded(1))
  const centres = Array.from({ length: classes * modes * width }, () => 0.7 * fixed())
  const drift = Array.from({ length: width }, () => shift * fixed())
  const random = seeded(seed)
  const normal = normalFrom(random)
  const inputs = new Float32Array(count * width)
  const labels = new Uint8Array(count)
  for (let row = 0; row < count; row++) {
    const cluster = Math.floor(random() * classes * modes)
    labels[row] = cluster % classes
    for (let i = 0; i < width; i++) {
      inputs[row * width + i] = (centres[cluster * width + i] ?? 0) + (drift[i] ?? 0) + 1.5 * normal()
    }
  }
  return { inputs, labels, width, count }
}

export const weightTypes = ['float32', 'float16', 'int8'] as const
export type WeightType = (typeof weightTypes)[number]

/** `scales`: of each layer's weights, for int8; taken once, from the version before. */
export function onnxOf(network: Network, type: WeightType, scales: readonly number[]): Uint8Array {
  const nodes: Node[] = []
  const initializer: Tensor[] = []
  let input = 'x'
  for (const [i, layer] of network.entries()) {
    const [weights, biases, scale] = [`weights_${i}`, `biases_${i}`, `scale_${i}`]
    const isLast = i === network.length - 1
    const output = isLast ? 'y' : `sum_${i}`
    const dimensions = [layer.outputs, layer.inputs]
    const used = type === 'float32' ? weights : `${weights}_float`
    initializer.push(weightTensor(weights, dimensions, layer.weights, type, scales[i] ?? 1))
    initializer.push(floats(biases, [layer.outputs], layer.biases))
    if (type === 'float16') nodes.push(node('Cast', [weights], [used], [intAttribute('to', 1n)]))
    if (type === 'int8') {
      initializer.push(floats(scale, [], [scales[i] ?? 1]))
      nodes.push(node('DequantizeLinear', [weights, scale], [used]))
    }
    nodes.push(node('Gemm', [input, used, biases], [output], [intAttribute('transB', 1n)]))
    if (!isLast) nodes.push(node('Relu', [output], [`layer_${i}`]))
    input = `layer_${i}`
  }
  const graph = {
    name: 'network',
    node: nodes,
    initializer,
    input: [value('x', 'float', ['N', width])],
    output: [value('y', 'float', ['N', classes])],
  }
  return encodeModel({ graph })
}

/** Symmetric: the largest weight becomes 127. */
export const scalesOf = (network: Network): number[] =>
  network.map(({ weights }) => weights.reduce((most, weight) => Math.max(most, Math.abs(weight)), 0) / 127)

function weightTensor(
  name: string,
  dimensions: number[],
  weights: Float32Array,
  type: WeightType,
  scale: number,
): Tensor {
  if (type === 'float32') return floats(name, dimensions, weights)
  const words =
    type === 'float16'
      ? new Float16Array(weights)
      : Int8Array.from(weights, (weight) => Math.max(-127, Math.min(127, Math.round(weight / scale))))
  const rawData = new Uint8Array(words.buffer, words.byteOffset, words.byteLength)
  return { name, dataType: type === 'float16' ? 10 : 3, dims: dimensions.map(BigInt), rawData }
}
