// Requests to every operation of an OpenAPI document.

import fc from 'fast-check'
import { z } from 'zod'
import { anyValueOf, type Components, rubbish } from './json-schema.ts'

const Parameter = z.looseObject({
  name: z.string(),
  in: z.string(),
  required: z.boolean().optional(),
  schema: z.unknown(),
})
const Operation = z.looseObject({
  parameters: z.array(Parameter).optional(),
  requestBody: z
    .looseObject({ content: z.record(z.string(), z.looseObject({ schema: z.unknown().optional() })) })
    .optional(),
})
export const Document = z.looseObject({
  paths: z.record(z.string(), z.record(z.string(), Operation)),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()).optional() }).optional(),
})

export type FuzzedRequest = {
  method: string
  path: string
  headers: Record<string, string>
  body: string | Uint8Array<ArrayBuffer> | undefined
}
export type FuzzedOperation = { name: string; removes: boolean; requests: fc.Arbitrary<FuzzedRequest> }

/** `known`: names of things that exist, which path parameters and texts often are. */
export function operationsOf(document: z.infer<typeof Document>, known: readonly string[]): FuzzedOperation[] {
  const components = document.components?.schemas ?? {}
  return Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      name: `${method.toUpperCase()} ${path}`,
      removes: method === 'delete',
      requests: requestsTo(method.toUpperCase(), path, operation, components, known),
    })),
  )
}

function requestsTo(
  method: string,
  template: string,
  { parameters = [], requestBody }: z.infer<typeof Operation>,
  components: Components,
  known: readonly string[],
): fc.Arbitrary<FuzzedRequest> {
  const text = (schema: unknown) =>
    anyValueOf(schema, components, known).map((value) => (typeof value === 'string' ? value : JSON.stringify(value)))
  const inPath = parameters.filter((parameter) => parameter.in === 'path')
  const inQuery = parameters.filter((parameter) => parameter.in === 'query')
  const pathValues = fc.record(
    Object.fromEntries(
      inPath.map(({ name, schema }) => [
        name,
        fc.oneof({ weight: 4, arbitrary: fc.constantFrom(...known) }, { weight: 2, arbitrary: text(schema) }),
      ]),
    ),
  )
  const query = fc.record(Object.fromEntries(inQuery.map(({ name, schema }) => [name, text(schema)])), {
    requiredKeys: [],
  })
  const bodies = Object.entries(requestBody?.content ?? {}).map(([type, { schema }]) =>
    bodyOf(type, schema, components, known),
  )
  const body = bodies.length === 0 ? fc.constant(undefined) : fc.oneof(...bodies)
  return fc.record({ pathValues, query, body }).map(({ pathValues, query, body }) => {
    const path = template.replaceAll(/\{([^}]+)\}/g, (_, name: string) =>
      encode(pathValues[name.replace(/\{.*$/, '')] ?? 'x'),
    )
    const asked = new URLSearchParams(
      Object.entries(query).map(([name, value]): [string, string] => [name, String(value).toWellFormed()]),
    )
    return {
      method,
      path: asked.size === 0 ? path : `${path}?${asked}`,
      headers: body === undefined ? {} : { 'content-type': body.type },
      body: body?.content,
    }
  })
}

/** `.` and `..` would be taken out of the path by the client. */
const encode = (value: string) => encodeURIComponent(value.toWellFormed() || ' ').replaceAll(/^\.{1,2}$/g, '%2e')

type Body = { type: string; content: string | Uint8Array<ArrayBuffer> }

function bodyOf(type: string, schema: unknown, components: Components, known: readonly string[]): fc.Arbitrary<Body> {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((content): Body => ({ type, content: Uint8Array.from(content) }))
  if (!type.endsWith('json')) return type.startsWith('multipart/') ? multipart(bytes) : bytes
  const value = anyValueOf(schema, components, known).map((value): Body => ({ type, content: JSON.stringify(value) }))
  const anything = rubbish.map((value): Body => ({ type, content: JSON.stringify(value) ?? '' }))
  const broken = value.map(({ content }): Body => ({ type, content: String(content).slice(0, -1) }))
  return fc.oneof(
    { weight: 10, arbitrary: value },
    { weight: 1, arbitrary: anything },
    { weight: 1, arbitrary: broken },
    { weight: 1, arbitrary: bytes },
  )
}

/** Parts of a registration, whole and broken; what registering makes of them in depth has tests of its own. */
function multipart(bytes: fc.Arbitrary<Body>): fc.Arbitrary<Body> {
  const boundary = 'boundary'
  const part = fc.record({
    name: fc.constantFrom('model', 'metadata', 'sample', 'golden', 'x', ''),
    content: fc.oneof(
      rubbish.map((value) => JSON.stringify(value) ?? ''),
      fc.string(),
    ),
  })
  const whole = fc.array(part, { maxLength: 4 }).map((parts): Body => {
    const text = parts.map(
      ({ name, content }) =>
        `--${boundary}\r\ncontent-disposition: form-data; name="${name}"; filename="f"\r\n\r\n${content}\r\n`,
    )
    return { type: `multipart/form-data; boundary=${boundary}`, content: `${text.join('')}--${boundary}--\r\n` }
  })
  return fc.oneof({ weight: 4, arbitrary: whole }, { weight: 1, arbitrary: bytes })
}
