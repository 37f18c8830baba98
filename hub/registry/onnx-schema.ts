// The fields of ONNX's messages and how each is written on the wire, as onnx.proto (IR 12) has them.
// A known field that is written otherwise is refused: parsers disagree about what it means, and a file must not be
// one thing to the hub and another to onnxruntime. Fields that are not listed are skipped by all of them.

import type { Field, MessageFields } from './protobuf.ts'

/** A plural is a repeated number: one by one, or packed into one field. */
const wires = {
  bytes: ['bytes'],
  varint: ['varint'],
  varints: ['varint', 'bytes'],
  fixed32: ['fixed32'],
  fixed32s: ['fixed32', 'bytes'],
  fixed64s: ['fixed64', 'bytes'],
} satisfies Record<string, Field['wire'][]>
const kinds = ['bytes', 'varint', 'varints', 'fixed32', 'fixed32s', 'fixed64s'] as const

export const modelFields = fields({ bytes: [2, 3, 4, 6, 7, 8, 14, 20, 25, 26], varint: [1, 5] })
export const opsetFields = fields({ bytes: [1], varint: [2] })
export const graphFields = fields({ bytes: [1, 2, 5, 10, 11, 12, 13, 15, 16] })
export const nodeFields = fields({ bytes: [1, 2, 3, 4, 5, 6, 7, 8, 9, 10] })
export const attributeFields = fields({
  bytes: [1, 4, 5, 6, 9, 10, 11, 13, 14, 15, 21, 22, 23],
  varint: [3, 20],
  varints: [8],
  fixed32: [2],
  fixed32s: [7],
})
export const functionFields = fields({ bytes: [1, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14] })
export const trainingFields = fields({ bytes: [1, 2, 3, 4] })
export const tensorFields = fields({
  bytes: [3, 6, 8, 9, 12, 13, 16],
  varint: [2, 14],
  varints: [1, 5, 7, 11],
  fixed32s: [4],
  fixed64s: [10],
})
export const sparseTensorFields = fields({ bytes: [1, 2], varints: [3] })
export const valueFields = fields({ bytes: [1, 2, 3, 4] })
export const typeFields = fields({ bytes: [1, 4, 5, 6, 7, 8, 9] })
export const tensorTypeFields = fields({ bytes: [2], varint: [1] })
export const shapeFields = fields({ bytes: [1] })
export const dimensionFields = fields({ bytes: [2, 3], varint: [1] })

function fields(numbers: Partial<Record<(typeof kinds)[number], number[]>>): MessageFields {
  return new Map(kinds.flatMap((kind) => (numbers[kind] ?? []).map((number) => [number, wires[kind]])))
}
