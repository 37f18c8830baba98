// Where in an ONNX file the numbers of its weights lie, so that a patch can set the older beside the newer ones.

import type { TensorPlace } from '@roost/shared/bundle/delta/encode.ts'
import type { WordFormat } from '@roost/shared/bundle/delta/format.ts'
import { graphFields, modelFields, tensorFields } from '../registry/onnx-schema.ts'
import {
  type Field,
  openWire,
  type RandomAccess,
  readText,
  type Wire,
  WireError,
  walkIntegers,
  walkMessage,
} from '../registry/protobuf.ts'

const nameLengthMax = 4_096
const integer = (width: WordFormat['width']): WordFormat => ({ width, contextShift: 0, contextBits: 0 })

/** By TensorProto.DataType. Of a float the exponent is the context. The 64-bit types go as two words of 32 bits. */
const wordFormats: Readonly<Record<number, WordFormat>> = {
  1: { width: 4, contextShift: 23, contextBits: 8 },
  2: integer(1),
  3: integer(1),
  4: integer(2),
  5: integer(2),
  6: integer(4),
  7: integer(4),
  10: { width: 2, contextShift: 10, contextBits: 5 },
  11: integer(4),
  12: integer(4),
  13: integer(4),
  16: { width: 2, contextShift: 7, contextBits: 8 },
  17: integer(1),
  18: integer(1),
  19: integer(1),
  20: integer(1),
}
const float = 1

/** The initializers of the main graph, as far as they are plain runs of words; none where the file is no ONNX.
 *  @throws whatever `source.read` throws */
export async function tensorPlaces(source: RandomAccess): Promise<TensorPlace[]> {
  const places: TensorPlace[] = []
  const wire = openWire(source)
  try {
    await walkMessage(wire, { start: 0, end: source.sizeBytes }, modelFields, async (graph) => {
      if (graph.number !== 7) return
      await walkMessage(wire, graph, graphFields, async (tensor) => {
        if (tensor.number === 5) places.push(...(await placeOf(wire, tensor)))
      })
    })
  } catch (error) {
    if (error instanceof WireError) return []
    throw error
  }
  return places
}

async function placeOf(wire: Wire, tensor: Field): Promise<TensorPlace[]> {
  let name = ''
  let type = 0
  const dimensions: number[] = []
  const data: Field[] = []
  await walkMessage(wire, tensor, tensorFields, async (part) => {
    if (part.number === 1) await walkIntegers(wire, part, (dimension) => void dimensions.push(dimension))
    if (part.number === 2) type = part.value
    if (part.number === 8) name = await readText(wire, part, nameLengthMax)
    // raw_data, or float_data in one piece: the same words
    if (part.number === 9 || (part.number === 4 && part.wire === 'bytes')) data.push(part)
  })
  const words = wordFormats[type]
  const [place, ...others] = data
  if (words === undefined || place === undefined || others.length > 0) return []
  if (place.number === 4 && type !== float) return []
  const { start, end } = place
  return (end - start) % words.width === 0 ? [{ key: JSON.stringify([name, type, dimensions]), start, end, words }] : []
}
