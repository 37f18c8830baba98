// What an application tells about a deployment afterwards: numbers of its own business, and the true answers to
// predictions it was given. Counted into the open window of what serves now.

import { MetricName, metricNamesMax, metricValueMax } from '@roost/shared/protocol/records.ts'
import { z } from 'zod'
import type { Deployment } from '../deployment.ts'
import type { MetricValues } from '../monitor/metrics.ts'
import { predictionIdLengthMax } from '../monitor/recent-predictions.ts'
import { type Answer, failure, type Route } from './http.ts'
import { JsonError, parseJson } from './json.ts'

/** Objects, or labels, in one request; a request with more is refused as a whole. */
export const feedbackMax = 1024

const Values = z
  .record(MetricName, z.number().min(-metricValueMax).max(metricValueMax))
  .refine((values) => Object.keys(values).length > 0, 'names no metric')
const Metrics = z.union([z.array(Values).min(1).max(feedbackMax), Values.transform((values) => [values])])

const Label = z.object({ id: z.string().min(1).max(predictionIdLengthMax), label: z.boolean() })
const Labels = z.union([z.array(Label).min(1).max(feedbackMax), Label.transform((label) => [label])])

/** POST …/metrics: `{"scrap_rate": 0.02}`, or an array of such. All of a request counts, or nothing of it. */
export const metricsRoute = (deployment: Deployment): Route => ({
  method: 'POST',
  respond: (body) =>
    answerTo(body, Metrics, metricsWords, (metrics) => {
      const values: MetricValues = metrics.flatMap((one) => Object.entries(one))
      const surplus = deployment.recorder.measured(values)
      if (surplus.length > 0) {
        const detail = `a deployment has room for ${metricNamesMax} names of metrics; no room is left for ${surplus.slice(0, 4).join(', ')}`
        return failure(409, detail)
      }
      return { status: 200, text: JSON.stringify({ counted: values.length }) }
    }),
})

const metricsWords = `the body must be an object of names (letters, digits, _ . -, the first a letter, at most 63) and finite numbers up to 1e100, or an array of 1 to ${feedbackMax} of them`

/** POST …/labels: `{"id": "…", "label": true}`, or an array of such. An id that is not remembered, or was labelled before,
 *  is told back; the others count. */
export function labelsRoute(deployment: Deployment): Route {
  return {
    method: 'POST',
    respond: (body) => {
      if (deployment.bundle.manifest.task === undefined) {
        return failure(409, 'this version has no task, so nothing says what a label is held against')
      }
      return answerTo(body, Labels, labelsWords, (labels) => {
        const unknown = labels.filter(({ id, label }) => !deployment.label(id, label)).map(({ id }) => id)
        const text = JSON.stringify({ counted: labels.length - unknown.length, unknown })
        return { status: unknown.length === labels.length ? 404 : 200, text }
      })
    },
  }
}

const labelsWords = `the body must be {"id": the id of a prediction, "label": true or false}, or an array of 1 to ${feedbackMax} of them`

function answerTo<T>(body: Buffer, schema: z.ZodType<T>, words: string, take: (value: T) => Answer): Answer {
  let json: unknown
  try {
    json = parseJson(body, false)
  } catch (error) {
    if (error instanceof JsonError) return failure(400, error.message)
    throw error
  }
  const parsed = schema.safeParse(json)
  return parsed.success ? take(parsed.data) : failure(400, words)
}
