// What a model's output means: which output and element, and how a number in it is read.

import { z } from '@hono/zod-openapi'
import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { EvaluationError } from './evaluation-error.ts'

/** More classes than this are a search, not a classification. */
export const classesMax = 100

const OutputName = z.string().min(1).max(256)
const ClassName = z.union([z.string().min(1).max(200), z.number(), z.boolean()])
const Element = z.number().int().min(0).max(100_000)

export const EvaluationTask = z
  .discriminatedUnion('kind', [
    z.strictObject({
      kind: z.literal('binary-classification'),
      /** Where the model has one, it need not be said. */
      output: OutputName.optional(),
      /** Which element of it is the positive class; the last where it is not said, as on devices. */
      element: Element.optional(),
      /** A probability of the positive class, its log odds, or a score of which only the order and the threshold count. */
      reads: z.enum(['probability', 'logit', 'score']).default('probability'),
      /** Positive from here on; in the output's own unit. 0.5 for a probability, 0 for log odds. */
      threshold: z.number().optional(),
      /** The label of the positive class; 1 (or true) where it is not said. */
      positive: ClassName.optional(),
    }),
    z.strictObject({
      kind: z.literal('multiclass-classification'),
      output: OutputName.optional(),
      /** A probability of each class, logits (softmax is taken), or the predicted class itself. */
      reads: z.enum(['probabilities', 'logits', 'label']).default('probabilities'),
      /** The labels in the order of the output's elements; 0, 1, 2 … where it is not said. */
      classes: z.array(ClassName).min(2).max(classesMax).optional(),
    }),
    z.strictObject({
      kind: z.literal('regression'),
      output: OutputName.optional(),
      element: Element.optional(),
    }),
  ])
  .openapi('EvaluationTask')
export type EvaluationTask = z.infer<typeof EvaluationTask>

/** With the output and the threshold it is read by. */
export type ReadTask = EvaluationTask & { output: string }

/** What is asked for, completed by what the version says of itself.
 *  @throws EvaluationError task-needed, unknown-output */
export function resolveTask(asked: EvaluationTask | undefined, manifest: Manifest): ReadTask {
  const task = asked ?? taskOf(manifest)
  const output = task.output ?? manifest.task?.output ?? onlyOutput(manifest.outputs)
  if (!manifest.outputs.some(({ name }) => name === output)) {
    throw new EvaluationError(
      'unknown-output',
      `version ${manifest.version} has no output ${output}; it has ${namesOf(manifest.outputs)}`,
    )
  }
  return { ...task, output }
}

/** As devices count labels (docs/protocol.md, task). */
function taskOf({ task, version }: Manifest): EvaluationTask {
  if (task !== undefined)
    return { kind: task.kind, output: task.output, threshold: task.threshold, reads: 'probability' }
  throw new EvaluationError('task-needed', `version ${version} names no task: say in \`task\` what its output means`)
}

function onlyOutput(outputs: readonly TensorSpec[]): string {
  const [first] = outputs
  if (first !== undefined && outputs.length === 1) return first.name
  throw new EvaluationError('output-needed', `say in \`task.output\` which output to read: ${namesOf(outputs)}`)
}

const namesOf = (specs: readonly TensorSpec[]): string => specs.map(({ name }) => name).join(', ')
