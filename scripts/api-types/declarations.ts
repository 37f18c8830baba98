// TypeScript declarations out of an OpenAPI document, in the form that openapi-fetch reads: `paths`, `components`.
// The generator that goes with it needs a TypeScript of its own, of an older major version than the one here.

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }

const methods = ['get', 'put', 'post', 'delete', 'patch', 'head', 'options'] as const

/** The whole file, of the paths below /v1, which the page asks. `document` is OpenAPI 3.1 as the hub gives it out: references into components.schemas only.
 *  @throws where a schema is of a form that none of the hub's has */
export function declarationsOf(document: Json): string {
  const { paths, components } = object(document)
  const schemas = object(object(components ?? {}).schemas ?? {})
  return [
    '// Generated from the hub’s own document by `npm run dashboard:types`; do not edit.',
    '',
    'export interface paths {',
    ...Object.entries(object(paths ?? {}))
      .filter(([path]) => path.startsWith('/v1/'))
      .map(([path, item]) => `  ${JSON.stringify(path)}: ${pathItem(object(item))}`),
    '}',
    '',
    'export interface components {',
    '  schemas: {',
    ...Object.entries(schemas).map(([name, schema]) => `    ${JSON.stringify(name)}: ${typeOf(schema)}`),
    '  }',
    '}',
    '',
  ].join('\n')
}

const pathItem = (item: JsonObject): string =>
  braces([
    'parameters: { query?: never; header?: never; path?: never; cookie?: never }',
    ...methods.map((method) =>
      item[method] === undefined ? `${method}?: never` : `${method}: ${operation(object(item[method]))}`,
    ),
  ])

function operation({ parameters = [], requestBody, responses }: JsonObject): string {
  const body = requestBody === undefined ? undefined : object(requestBody)
  return braces([
    `parameters: ${parametersOf(list(parameters).map(object))}`,
    body === undefined
      ? 'requestBody?: never'
      : `requestBody${body.required === true ? '' : '?'}: ${braces([`content: ${content(body.content)}`])}`,
    `responses: ${braces(
      Object.entries(object(responses ?? {})).map(
        ([status, response]) =>
          `${status}: { headers: { [name: string]: unknown }; content${object(response).content === undefined ? '?: never' : `: ${content(object(response).content)}`} }`,
      ),
    )}`,
  ])
}

function parametersOf(parameters: JsonObject[]): string {
  const kinds = ['query', 'header', 'path', 'cookie'].map((kind) => {
    const own = parameters.filter((parameter) => parameter.in === kind)
    if (own.length === 0) return `${kind}?: never`
    const isNeeded = own.some(({ required }) => required === true)
    const members = own.map(
      ({ name, required, schema }) =>
        `${JSON.stringify(name)}${required === true ? '' : '?'}: ${typeOf(schema ?? {})}${required === true ? '' : ' | undefined'}`,
    )
    return `${kind}${isNeeded ? '' : '?'}: ${braces(members)}`
  })
  return braces(kinds)
}

const content = (types: Json | undefined): string =>
  braces(
    Object.entries(object(types ?? {})).map(
      ([type, media]) => `${JSON.stringify(type)}: ${typeOf(object(media).schema ?? {})}`,
    ),
  )

/** The type of the values that a schema of JSON Schema 2020-12 lets through, as far as TypeScript can say it. */
export function typeOf(schema: Json): string {
  if (schema === true) return 'unknown'
  if (schema === false) return 'never'
  const it = object(schema)
  if (typeof it.$ref === 'string') {
    const name = /^#\/components\/schemas\/(.+)$/.exec(it.$ref)?.[1]
    if (name === undefined) throw new Error(`a reference to ${it.$ref}, which is not a schema of the document`)
    return `components['schemas'][${JSON.stringify(name)}]`
  }
  if (it.const !== undefined) return JSON.stringify(it.const)
  if (it.enum !== undefined) return union(list(it.enum).map((value) => JSON.stringify(value)))
  for (const some of ['anyOf', 'oneOf']) {
    if (it[some] !== undefined) return union(list(it[some] ?? []).map(typeOf))
  }
  if (it.allOf !== undefined) {
    const parts = list(it.allOf).map(typeOf)
    const own = it.properties === undefined ? [] : [objectType(it)]
    return `(${[...parts, ...own].join(' & ')})`
  }
  const types = it.type === undefined ? [] : Array.isArray(it.type) ? it.type : [it.type]
  if (types.length === 0) return it.properties === undefined ? 'unknown' : objectType(it)
  return union(types.map((type) => plainType(type, it)))
}

function plainType(type: Json, it: JsonObject): string {
  switch (type) {
    case 'string':
    case 'boolean':
    case 'null':
      return type
    case 'number':
    case 'integer':
      return 'number'
    case 'array':
      return arrayType(it)
    case 'object':
      return objectType(it)
    default:
      throw new Error(`a schema of type ${JSON.stringify(type)}`)
  }
}

function arrayType({ items, prefixItems }: JsonObject): string {
  if (prefixItems === undefined) return `${typeOf(items ?? {})}[]`
  const rest = items === undefined || items === false ? [] : [`...${typeOf(items)}[]`]
  return `[${[...list(prefixItems).map(typeOf), ...rest].join(', ')}]`
}

function objectType({ properties = {}, required = [], additionalProperties }: JsonObject): string {
  const needed = new Set(list(required))
  const members = Object.entries(object(properties)).map(([name, schema]) => {
    const type = typeOf(schema)
    return needed.has(name) ? `${JSON.stringify(name)}: ${type}` : `${JSON.stringify(name)}?: ${type} | undefined`
  })
  const isOpen = additionalProperties !== undefined && additionalProperties !== false
  if (members.length === 0) return `{ [key: string]: ${isOpen ? typeOf(additionalProperties ?? {}) : 'unknown'} }`
  // what more there may be is not told: an index signature would have to agree with every member
  return braces(members)
}

const braces = (members: readonly string[]): string => `{ ${members.join('; ')} }`
const union = (types: readonly string[]): string => {
  const all = [...new Set(types)]
  return all.length === 1 ? (all[0] ?? 'never') : `(${all.join(' | ')})`
}

function object(value: Json): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new Error(`an object was expected, not ${JSON.stringify(value)}`)
  }
  return value
}

function list(value: Json): Json[] {
  if (!Array.isArray(value)) throw new Error(`a list was expected, not ${JSON.stringify(value)}`)
  return value
}
