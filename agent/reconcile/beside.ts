// What a candidate in shadow can be given of what its primary is given, and whether their answers can be compared at all.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'

/** `records`: raw records, through the candidate's own feature definitions. `tensors`: the primary's input tensors. */
export type Feed = { records: boolean; tensors: boolean }

/** How a candidate is fed beside a primary, or why it cannot be, in words. */
export function feedBeside(candidate: Manifest, primary: Manifest): Feed | { why: string } {
  const records = hasFeatures(candidate) && hasFeatures(primary)
  const unfed = candidate.inputs.find((input) => !primary.inputs.some((other) => takes(input, other)))
  if (!records && unfed !== undefined) return { why: `input '${unfed.name}' is not among what the primary is given` }
  const comparable =
    (candidate.task !== undefined && primary.task !== undefined) ||
    candidate.outputs.some((output) => primary.outputs.some((other) => isSameKind(output, other)))
  if (!comparable) return { why: 'it has no output that the primary has too' }
  return { records, tensors: unfed === undefined }
}

const hasFeatures = ({ files }: Manifest): boolean => files.some(({ role }) => role === 'features')

const isSameKind = (a: TensorSpec, b: TensorSpec): boolean =>
  a.name === b.name && a.datatype === b.datatype && a.shape.length === b.shape.length

/** Whether every tensor that `given` allows is one that `input` allows. */
const takes = (input: TensorSpec, given: TensorSpec): boolean =>
  isSameKind(input, given) && input.shape.every((size, axis) => size === -1 || size === given.shape[axis])
