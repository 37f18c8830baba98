// Tensors as Roost speaks of them: the data types of the Open Inference Protocol v2 and the shape of one input or output.

import { z } from 'zod'

/** Open Inference Protocol v2 names. */
export const tensorTypes = [
  'BOOL',
  'UINT8',
  'UINT16',
  'UINT32',
  'UINT64',
  'INT8',
  'INT16',
  'INT32',
  'INT64',
  'FP16',
  'BF16',
  'FP32',
  'FP64',
  'BYTES',
] as const
export const TensorType = z.enum(tensorTypes)
export type TensorType = z.infer<typeof TensorType>

/** `shape`: -1 where the model leaves a dimension open; [] for a scalar. */
export const TensorSpec = z.object({
  name: z.string().min(1).max(256),
  datatype: TensorType,
  shape: z.array(z.number().int().min(-1)).max(16),
})
export type TensorSpec = z.infer<typeof TensorSpec>

/** A tensor as JSON carries it, row-major and flat. 64-bit integers beyond 2^53 are strings of digits. */
export const TensorValue = z.object({
  datatype: TensorType,
  shape: z.array(z.number().int().nonnegative()).max(16),
  data: z.array(z.union([z.number(), z.boolean(), z.string()])),
})
export type TensorValue = z.infer<typeof TensorValue>
