// Values for a JSON schema as the OpenAPI document of the hub has them: most fit, some are a step beside, some are rubbish.

import fc from 'fast-check'
import { z } from 'zod'

const Plain = z.looseObject({
  $ref: z.string().optional(),
  type: z.union([z.string(), z.array(z.string())]).optional(),
  format: z.string().optional(),
  pattern: z.string().optional(),
  enum: z.array(z.unknown()).optional(),
  const: z.unknown().optional(),
  minimum: z.number().optional(),
  maximum: z.number().optional(),
  exclusiveMinimum: z.union([z.number(), z.boolean()]).optional(),
  minLength: z.number().optional(),
  maxLength: z.number().optional(),
  minItems: z.number().optional(),
  maxItems: z.number().optional(),
  items: z.unknown().optional(),
  properties: z.record(z.string(), z.unknown()).optional(),
  required: z.array(z.string()).optional(),
  additionalProperties: z.unknown().optional(),
  anyOf: z.array(z.unknown()).optional(),
  oneOf: z.array(z.unknown()).optional(),
  allOf: z.array(z.unknown()).optional(),
})

/** Schemas by name, of `#/components/schemas/`. */
export type Components = Readonly<Record<string, unknown>>

/** What no caller should send, each of a kind that has broken somebody's server. */
export const rubbish: fc.Arbitrary<unknown> = fc.oneof(
  fc.constantFrom<unknown>(
    null,
    true,
    '',
    ' ',
    '\u0000',
    'a\u0000b',
    '\ud800',
    '\u202e',
    'x'.repeat(5_000),
    '../../etc/passwd',
    '..\\..\\x',
    '%2e%2e%2f',
    "' OR 1=1 --",
    '__proto__',
    'constructor',
    'NaN',
    0,
    -1,
    0.5,
    -0,
    1e308,
    2 ** 53,
    -(2 ** 63),
    [],
    {},
    [[]],
    nested(200),
  ),
  fc.string({ unit: 'binary', maxLength: 40 }),
  fc.json({ maxDepth: 3 }).map((text): unknown => JSON.parse(text)),
)

function nested(depth: number): unknown {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}

/** `known`: words that name something the hub has. */
export function anyValueOf(
  schema: unknown,
  components: Components,
  known: readonly string[],
  depth = 0,
): fc.Arbitrary<unknown> {
  const fitting = depth > 6 ? fc.constant(null) : fittingValue(schema, components, known, depth)
  return fc.oneof({ weight: 12, arbitrary: fitting }, { weight: 1, arbitrary: rubbish })
}

function fittingValue(
  raw: unknown,
  components: Components,
  known: readonly string[],
  depth: number,
): fc.Arbitrary<unknown> {
  const parsed = Plain.safeParse(raw)
  if (!parsed.success) return rubbish
  const schema = parsed.data
  const inner = (one: unknown) => anyValueOf(one, components, known, depth + 1)
  if (schema.$ref !== undefined) return inner(components[schema.$ref.split('/').at(-1) ?? ''])
  if (schema.enum !== undefined && schema.enum.length > 0) return fc.constantFrom(...schema.enum)
  if (schema.const !== undefined) return fc.constant(schema.const)
  const choices = schema.anyOf ?? schema.oneOf
  if (choices !== undefined && choices.length > 0) return fc.oneof(...choices.map(inner))
  if (schema.allOf !== undefined) {
    return fc.tuple(...schema.allOf.map(inner)).map((parts): unknown => Object.assign({}, ...parts.filter(isObject)))
  }
  const types = [schema.type ?? (schema.properties === undefined ? 'any' : 'object')].flat()
  return fc.oneof(...types.map((type) => ofType(type, schema, inner, known)))
}

const isObject = (value: unknown): value is object => typeof value === 'object' && value !== null

function ofType(
  type: string,
  schema: z.infer<typeof Plain>,
  inner: (schema: unknown) => fc.Arbitrary<unknown>,
  known: readonly string[],
): fc.Arbitrary<unknown> {
  const { minimum: min = -1e6, maximum: max = 1e9 } = schema
  switch (type) {
    case 'null':
      return fc.constant(null)
    case 'boolean':
      return fc.boolean()
    case 'integer':
      return fc.oneof(
        fc.integer({ min: Math.max(min, -(2 ** 31)), max: Math.min(max, 2 ** 31 - 1) }),
        fc.constantFrom(min, max, 1),
      )
    case 'number':
      return fc.oneof(fc.double({ min, max, noNaN: true }), fc.constantFrom(min, max, 1))
    case 'string':
      return ofString(schema, known)
    case 'array':
      return fc.array(inner(schema.items ?? {}), { minLength: Math.min(schema.minItems ?? 0, 4), maxLength: 4 })
    case 'object':
      return ofObject(schema, inner)
    default:
      return rubbish
  }
}

function ofString(
  { format, pattern, minLength = 0 }: z.infer<typeof Plain>,
  known: readonly string[],
): fc.Arbitrary<string> {
  const word = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...known) },
    { weight: 1, arbitrary: fc.string({ minLength: Math.min(minLength, 40), maxLength: 60 }) },
  )
  if (format === 'date-time')
    return fc
      .date({ noInvalidDate: true, min: new Date(0), max: new Date('2100-01-01') })
      .map((date) => date.toISOString())
  if (pattern === undefined) return word
  return fc.oneof({ weight: 2, arbitrary: matching(pattern) }, { weight: 2, arbitrary: word })
}

/** Not every pattern of zod's can be turned round; the words that are known have to do then. */
function matching(pattern: string): fc.Arbitrary<string> {
  try {
    return fc.stringMatching(new RegExp(pattern))
  } catch {
    return fc.string({ maxLength: 60 })
  }
}

function ofObject(
  schema: z.infer<typeof Plain>,
  inner: (schema: unknown) => fc.Arbitrary<unknown>,
): fc.Arbitrary<unknown> {
  const model = Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, one]) => [name, inner(one)]))
  const requiredKeys = (schema.required ?? []).filter((name) => Object.hasOwn(model, name))
  const named = fc.record(model, { requiredKeys })
  // now and then a required one is missing, and one nobody knows is there
  const free = fc.record(model, { requiredKeys: [] })
  const others = fc.dictionary(
    fc.string({ maxLength: 12 }),
    isObject(schema.additionalProperties) ? inner(schema.additionalProperties) : rubbish,
    { maxKeys: 3 },
  )
  const withOthers = fc.tuple(named, others).map(([object, more]): unknown => ({ ...more, ...object }))
  const weights = schema.properties === undefined ? [1, 1, 8] : [8, 1, 1]
  return fc.oneof(
    { weight: weights[0] ?? 1, arbitrary: named },
    { weight: weights[1] ?? 1, arbitrary: free },
    { weight: weights[2] ?? 1, arbitrary: withOthers },
  )
}
