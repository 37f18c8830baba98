// Models whose weights lie in other files, written as onnx.save_model does, become the model they were before.

import { fromBinary, toBinary } from '@bufbuild/protobuf'
import fc from 'fast-check'
import { ModelProtoSchema, type TensorProto, TensorProto_DataLocation } from 'onnx-buf'
import { describe, expect, test } from 'vitest'
import { OnnxError } from '../../../hub/registry/onnx-error.ts'
import { inlineWeights, type Piece } from '../../../hub/registry/onnx-inline.ts'
import { floats, graphAttribute, node, tensorAttribute } from '../../../scripts/demo/onnx-writer.ts'
import { aModel, aScaleModel } from '../../builders/onnx.ts'

type Files = Record<string, Uint8Array>

/** Moves the raw data of the tensors that `wanted` names into files. */
function moveOut(model: Uint8Array, wanted: (name: string) => { file: string; padding: number } | undefined) {
  const message = fromBinary(ModelProtoSchema, model)
  const files: Files = {}
  const move = (tensor: TensorProto) => {
    const to = wanted(tensor.name)
    if (to === undefined) return
    const before = files[to.file] ?? new Uint8Array()
    const offset = before.length + to.padding
    files[to.file] = Buffer.concat([before, new Uint8Array(to.padding).fill(170), tensor.rawData])
    const said = { location: to.file, offset: String(offset), length: String(tensor.rawData.length) }
    tensor.externalData = Object.entries(said).map(([key, value]) => ({
      $typeName: 'onnx.StringStringEntryProto',
      key,
      value,
    }))
    tensor.rawData = new Uint8Array()
    tensor.dataLocation = TensorProto_DataLocation.EXTERNAL
  }
  type Graph = NonNullable<typeof message.graph>
  const walk = (graph: Graph) => {
    for (const tensor of graph.initializer) move(tensor)
    for (const { attribute } of graph.node) {
      for (const { t, g } of attribute) {
        if (t !== undefined) move(t)
        if (g !== undefined) walk(g)
      }
    }
  }
  if (message.graph !== undefined) walk(message.graph)
  return { model: toBinary(ModelProtoSchema, message), files }
}

const sizesOf = (files: Files) => (location: string) =>
  Object.hasOwn(files, location) ? files[location]?.length : undefined

function assembled(pieces: readonly Piece[], files: Files): Uint8Array {
  const whole = Buffer.concat(
    pieces.map((piece) =>
      piece instanceof Uint8Array
        ? piece
        : (files[piece.location] ?? new Uint8Array()).subarray(piece.offset, piece.offset + piece.length),
    ),
  )
  return new Uint8Array(whole)
}

/** A graph with weights at every place where they may be, deep in a subgraph too. */
function manyWeights(sizes: readonly number[]): Uint8Array {
  const weight = (name: string, size: number) => {
    const values = Array.from({ length: size }, (_, i) => i + size)
    const { floatData: _, ...tensor } = floats(name, [size], values)
    return { ...tensor, rawData: new Uint8Array(Float32Array.from(values).buffer) }
  }
  const inner = { name: 'inner', initializer: sizes.map((size, i) => weight(`inner${i}`, size)) }
  return aModel({
    node: [
      node('Constant', [], ['c'], [tensorAttribute('value', weight('constant', 3))]),
      node('If', ['b'], ['i'], [graphAttribute('then_branch', inner)]),
    ],
    initializer: sizes.map((size, i) => weight(`outer${i}`, size)),
  })
}

describe('weights outside', () => {
  test('any of them, in any files, come back to where they were', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 6 }),
        fc.array(fc.option(fc.record({ file: fc.constantFrom('a.data', 'b.data'), padding: fc.nat(9) })), {
          minLength: 1,
          maxLength: 5,
        }),
        (sizes, places) => {
          const whole = manyWeights(sizes)
          let next = 0
          const { model, files } = moveOut(whole, () => places[next++ % places.length] ?? undefined)
          const pieces = inlineWeights(model, sizesOf(files))
          const result = pieces === undefined ? model : assembled(pieces, files)
          expect(fromBinary(ModelProtoSchema, result)).toEqual(fromBinary(ModelProtoSchema, whole))
        },
      ),
      { numRuns: 200, seed: 11 },
    )
  })

  test('a model without any stays as it is', () => {
    expect(inlineWeights(aScaleModel(), () => undefined)).toBeUndefined()
  })

  test.each([
    ['a file that is not there', 'x.data', {}],
    ['a file elsewhere', '../secrets', { 'x.data': new Uint8Array(100) }],
    ['more than the file has', 'x.data', { 'x.data': new Uint8Array(3) }],
  ])('%s is refused', (_, file, files) => {
    const { model } = moveOut(manyWeights([4]), () => ({ file, padding: 0 }))
    expect(() => inlineWeights(model, sizesOf(files))).toThrow(OnnxError)
  })

  test('bytes that are no model, cut or turned, end in an OnnxError or in a model', () => {
    const { model, files } = moveOut(manyWeights([4, 7]), () => ({ file: 'a.data', padding: 1 }))
    fc.assert(
      fc.property(fc.nat(model.length - 1), fc.nat(255), fc.nat(model.length), (at, value, end) => {
        const broken = model.slice(0, Math.max(at + 1, end))
        broken[at] = value
        try {
          inlineWeights(broken, sizesOf(files))
        } catch (error) {
          expect(error).toBeInstanceOf(OnnxError)
        }
      }),
      { numRuns: 3_000, seed: 12 },
    )
  })
})
