// A small fully connected network and its training (ReLU, softmax, Adam), so that the bench has weights that were moved
// as training moves them. Float32 weights, double arithmetic, one seed: the same steps give the same weights.

export type Layer = { inputs: number; outputs: number; weights: Float32Array; biases: Float32Array }
export type Network = Layer[]

export type Rows = { inputs: Float32Array; labels: Uint8Array; width: number; count: number }

export type Training = {
  steps: number
  rowsPerStep: number
  /** Adam's step size. */
  learningRate: number
  /** Layers from the input on that stay as they are. */
  frozenLayers: number
}

/** Numbers from 0 (inclusive) to 1, the same for the same seed (mulberry32). */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Standard normal (Box and Muller). */
export const normalFrom = (random: () => number) => (): number =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random())

/** Untrained: weights as He et al. start them (2015, eq. 10). */
export function aNetwork(widths: readonly number[], random: () => number): Network {
  const normal = normalFrom(random)
  return widths.slice(1).map((outputs, i) => {
    const inputs = widths[i] ?? 0
    const deviation = Math.sqrt(2 / inputs)
    const weights = Float32Array.from({ length: inputs * outputs }, () => normal() * deviation)
    return { inputs, outputs, weights, biases: new Float32Array(outputs) }
  })
}

export const copyOf = (network: Network): Network =>
  network.map((layer) => ({ ...layer, weights: layer.weights.slice(), biases: layer.biases.slice() }))

/** Trains in place (Kingma and Ba 2015, algorithm 1). @returns the mean loss over the last tenth of the steps */
export function train(network: Network, rows: Rows, training: Training, random: () => number): number {
  const moments = network.map(({ weights, biases }) => ({ weights: momentsFor(weights), biases: momentsFor(biases) }))
  const lately = Math.max(1, Math.floor(training.steps / 10))
  let loss = 0
  for (let step = 1; step <= training.steps; step++) {
    const batch = Array.from({ length: training.rowsPerStep }, () => Math.floor(random() * rows.count))
    const activations = forward(network, batch, rows)
    const { gradient, meanLoss } = lossGradient(activations.at(-1) ?? new Float32Array(), batch, rows)
    if (step > training.steps - lately) loss += meanLoss / lately
    const rate = (training.learningRate * Math.sqrt(1 - beta2 ** step)) / (1 - beta1 ** step)
    let outward: Float32Array = gradient
    for (let i = network.length - 1; i >= training.frozenLayers; i--) {
      const [layer, input, moment] = [network[i], activations[i], moments[i]]
      if (layer === undefined || input === undefined || moment === undefined) break
      outward = learn(layer, input, outward, moment, rate, batch.length)
    }
  }
  return loss
}

/** Share of the rows it gets right. */
export function accuracy(network: Network, rows: Rows): number {
  const batch = Array.from({ length: rows.count }, (_, row) => row)
  const scores = forward(network, batch, rows).at(-1) ?? new Float32Array()
  const classes = scores.length / rows.count
  const right = batch.filter((row) => {
    const own = scores.subarray(row * classes, (row + 1) * classes)
    return own.indexOf(Math.max(...own)) === rows.labels[row]
  })
  return right.length / rows.count
}

const beta1 = 0.9
const beta2 = 0.999
const epsilon = 1e-8

type Moments = { first: Float32Array; second: Float32Array }
const momentsFor = ({ length }: Float32Array): Moments => ({
  first: new Float32Array(length),
  second: new Float32Array(length),
})

/** The input, then what each layer gives; rows one after the other. The last layer has no ReLU. */
function forward(network: Network, batch: readonly number[], { inputs, width }: Rows): Float32Array[] {
  const input = new Float32Array(batch.length * width)
  for (const [b, row] of batch.entries()) input.set(inputs.subarray(row * width, (row + 1) * width), b * width)
  const activations: Float32Array[] = [input]
  for (const [i, layer] of network.entries()) {
    const before = activations[i] ?? input
    activations.push(layerOutput(layer, before, batch.length, i < network.length - 1))
  }
  return activations
}

function layerOutput(layer: Layer, input: Float32Array, count: number, isRectified: boolean): Float32Array {
  const { inputs, outputs, weights, biases } = layer
  const output = new Float32Array(count * outputs)
  for (let o = 0; o < outputs; o++) {
    const start = o * inputs
    for (let b = 0; b < count; b++) {
      let sum = biases[o] ?? 0
      const from = b * inputs
      for (let i = 0; i < inputs; i++) sum += (weights[start + i] as number) * (input[from + i] as number)
      output[b * outputs + o] = isRectified && sum < 0 ? 0 : sum
    }
  }
  return output
}

/** Of the cross entropy after softmax, by score. */
function lossGradient(scores: Float32Array, batch: readonly number[], { labels }: Rows) {
  const classes = scores.length / batch.length
  const gradient = new Float32Array(scores.length)
  let meanLoss = 0
  for (const [b, row] of batch.entries()) {
    const own = scores.subarray(b * classes, (b + 1) * classes)
    const most = Math.max(...own)
    const total = own.reduce((sum, score) => sum + Math.exp(score - most), 0)
    for (let c = 0; c < classes; c++) {
      const share = Math.exp((own[c] ?? 0) - most) / total
      gradient[b * classes + c] = (share - Number(labels[row] === c)) / batch.length
      if (labels[row] === c) meanLoss -= Math.log(share) / batch.length
    }
  }
  return { gradient, meanLoss }
}

/** One step of one layer. @returns the gradient by its input, zero where the ReLU before it was shut */
function learn(
  { inputs, outputs, weights, biases }: Layer,
  input: Float32Array,
  outward: Float32Array,
  moments: { weights: Moments; biases: Moments },
  rate: number,
  count: number,
): Float32Array {
  const inward = new Float32Array(count * inputs)
  const slope = new Float32Array(inputs)
  const biasSlope = new Float32Array(1)
  for (let o = 0; o < outputs; o++) {
    const start = o * inputs
    slope.fill(0)
    biasSlope[0] = 0
    for (let b = 0; b < count; b++) {
      const error = outward[b * outputs + o] ?? 0
      if (error === 0) continue
      biasSlope[0] = (biasSlope[0] ?? 0) + error
      const from = b * inputs
      for (let i = 0; i < inputs; i++) {
        slope[i] = (slope[i] as number) + error * (input[from + i] as number)
        inward[from + i] = (inward[from + i] as number) + error * (weights[start + i] as number)
      }
    }
    descend(weights, start, slope, moments.weights, rate)
    descend(biases, o, biasSlope, moments.biases, rate)
  }
  for (let at = 0; at < inward.length; at++) if ((input[at] as number) <= 0) inward[at] = 0
  return inward
}

function descend(values: Float32Array, start: number, slope: Float32Array, moments: Moments, rate: number): void {
  const { first, second } = moments
  for (let i = 0; i < slope.length; i++) {
    const at = start + i
    const by = slope[i] as number
    const mean = beta1 * (first[at] as number) + (1 - beta1) * by
    const square = beta2 * (second[at] as number) + (1 - beta2) * by * by
    first[at] = mean
    second[at] = square
    values[at] = (values[at] as number) - (rate * mean) / (Math.sqrt(square) + epsilon)
  }
}
