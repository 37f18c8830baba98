// Uploads as CI sends them, and a scorer that stands for the process that runs models.

import type { Routes } from '../../../hub/app.ts'
import type { Score } from '../../../hub/registry/scoring.ts'
import { aScaleModel } from '../../builders/onnx.ts'

export type UploadParts = {
  model?: Uint8Array | undefined
  metadata?: unknown
  sample?: string | undefined
  golden?: unknown
}

/** Two sensors, their values and rolling means as the two inputs of `aScaleModel`. */
export const twoFeatures = {
  key: 'mote',
  time: 'time',
  features: [
    { name: 'temperature', field: 'temperature', transform: { kind: 'last' } },
    { name: 'temperature_mean', field: 'temperature', transform: { kind: 'rolling_mean', rows: 4 } },
  ],
  inputs: [{ name: 'x', features: ['temperature', 'temperature_mean'] }],
}

/** `rows` readings of two motes, one a second. */
export function aSample(rows = 400): string {
  const lines = Array.from(
    { length: rows },
    (_, i) => `${i % 2},${1_700_000_000_000 + 1000 * i},${20 + Math.sin(i / 7)}`,
  )
  return `mote,time,temperature\n${lines.join('\n')}\n`
}

export function aForm(parts: UploadParts = {}): FormData {
  const { model = aScaleModel(), metadata, sample, golden } = parts
  const form = new FormData()
  form.set('model', new Blob([Uint8Array.from(model)]), 'model.onnx')
  if (metadata !== undefined) form.set('metadata', new Blob([JSON.stringify(metadata)]), 'metadata.json')
  if (sample !== undefined) form.set('sample', new Blob([sample]), 'sample.csv')
  if (golden !== undefined) form.set('golden', new Blob([JSON.stringify(golden)]), 'golden.json')
  return form
}

/** Posts what is given; a form as the bytes of one, since undici's own stream of a form cannot be cut off. */
export async function post(
  app: Routes,
  token: string,
  body: FormData | string | Uint8Array<ArrayBuffer>,
  name = 'scale',
  headers: Record<string, string> = {},
): Promise<Response> {
  const encoded = new Response(body)
  const contentType = encoded.headers.get('content-type')
  return app.request(`/v1/models/${name}/versions`, {
    method: 'POST',
    body: await encoded.bytes(),
    headers: {
      authorization: `Bearer ${token}`,
      ...(contentType === null ? {} : { 'content-type': contentType }),
      ...headers,
    },
  })
}

/** y = 2 x, for every element. */
export const doubling: Score = async function* ({ vectors }) {
  for (const { x } of vectors) {
    if (x === undefined) throw new Error('no x')
    yield { y: { ...x, data: x.data.map((value) => 2 * Math.fround(Number(value))) } }
  }
}
