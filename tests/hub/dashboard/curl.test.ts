// Commands of the reference: a shell reads them, and what they send is what the route asks for.

import { expect, test } from 'vitest'
import { curlOf, exampleOf } from '../../../hub/dashboard/page/reference/curl.ts'
import { type JsonObject, routesOf, schemasOf } from '../../../hub/dashboard/page/reference/openapi.ts'

const operation = (more: JsonObject): JsonObject => ({ security: [{ token: ['viewer'] }], responses: {}, ...more })
const document = {
  paths: {
    '/v1/things/{thing-id}': {
      get: operation({
        parameters: [
          { name: 'thing-id', in: 'path', required: true, schema: { type: 'string' } },
          { name: 'wanted', in: 'query', required: true, schema: { type: 'string' } },
          { name: 'limit', in: 'query', schema: { type: 'integer' } },
        ],
      }),
      put: operation({
        security: [],
        requestBody: { content: { 'application/json': { schema: { $ref: '#/components/schemas/Thing' } } } },
      }),
    },
  },
  components: {
    schemas: {
      Thing: {
        type: 'object',
        required: ['name', 'kind', 'count', 'parts'],
        properties: {
          name: { type: 'string', example: "it's" },
          kind: { enum: ['a', 'b'] },
          count: { type: 'integer', minimum: 3 },
          parts: { type: 'array', minItems: 1, items: { $ref: '#/components/schemas/Thing' } },
          left: { type: 'string' },
        },
      },
    },
  },
}

test('what must be given is a shell variable, and a token goes along where one is asked for', () => {
  const [get, put] = routesOf(document)
  if (get === undefined || put === undefined) throw new Error('two routes')
  expect(curlOf(get, schemasOf(document), 'http://hub')).toBe(
    'curl "http://hub/v1/things/$thing_id?wanted=$wanted" \\\n  -H "Authorization: Bearer $ROOST_TOKEN"',
  )
  const command = curlOf(put, schemasOf(document), 'http://hub')
  expect(command).toContain('curl -X PUT "http://hub/v1/things/$thing_id" \\\n  -H "Content-Type: application/json"')
  expect(command).not.toContain('Authorization')
  // an apostrophe ends no argument
  expect(command).toContain(`"name":"it'\\''s"`)
})

test('an example has what must be there, of documents within documents too, and ends', () => {
  const example = exampleOf({ $ref: '#/components/schemas/Thing' }, schemasOf(document))
  expect(example).toMatchObject({ name: "it's", kind: 'a', count: 3, parts: [{ kind: 'a' }] })
  expect(example).not.toHaveProperty('left')
  expect(exampleOf({ anyOf: [{ type: 'null' }] }, {})).toBeNull()
})
