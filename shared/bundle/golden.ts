// Golden vectors: inputs with the outputs the model must give on every device before it may serve.

import { z } from 'zod'
import { TensorValue } from './tensor.ts'

export const goldenVectorsMax = 32

export const Golden = z.object({
  vectors: z
    .array(z.object({ inputs: z.record(z.string(), TensorValue), outputs: z.record(z.string(), TensorValue) }))
    .max(goldenVectorsMax),
  /** An output element fits when |got - want| <= absolute + relative * |want| (as numpy.allclose). */
  tolerance: z.object({ absolute: z.number().nonnegative(), relative: z.number().nonnegative() }),
})
export type Golden = z.infer<typeof Golden>
