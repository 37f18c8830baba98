// The HTTP API as a page: every route of /v1 with who may use it, what it takes and what it answers; then the documents it
// speaks of, field by field. MLflow's routes are listed: their documents are MLflow's.

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type JsonObject = { [key: string]: Json }
type Route = { method: string; path: string; operation: JsonObject }

const methods = ['get', 'post', 'put', 'patch', 'delete', 'head'] as const

/** @param document OpenAPI 3.1 as the hub gives it out: references into components.schemas only */
export function referenceOf(document: Json): string {
  const { paths, components } = object(document)
  const schemas = object(object(components).schemas)
  const routes = Object.entries(object(paths)).flatMap(([path, item]) =>
    methods.flatMap((method): Route[] => {
      const operation = object(object(item)[method])
      return Object.keys(operation).length === 0 ? [] : [{ method: method.toUpperCase(), path, operation }]
    }),
  )
  const own = routes.filter(({ path }) => path.startsWith('/v1/'))
  const others = routes.filter(({ path }) => !path.startsWith('/v1/'))
  const areas = Map.groupBy(own, ({ path }) => path.split('/')[2] ?? '')
  return [
    ...introduction,
    ...[...areas].sort(([a], [b]) => (a < b ? -1 : 1)).flatMap(([area, inArea]) => areaLines(area, inArea)),
    '## Other routes',
    '',
    'MLflow’s (see [mlflow](mlflow.md)), and what watches a hub.',
    '',
    '| route | what | may be used by |',
    '|---|---|---|',
    ...others.map(({ method, path, operation }) => {
      return `| \`${method} ${path}\` | ${cell(text(operation.summary))} | ${allowed(operation)} |`
    }),
    '',
    '## Documents',
    '',
    ...Object.entries(schemas).flatMap(([name, schema]) => [`### ${name}`, '', ...shape(object(schema))]),
  ]
    .join('\n')
    .replaceAll(/\n{3,}/g, '\n\n')
    .replace(/\n*$/, '\n')
}

const introduction = [
  '<!-- written by `npm run docs:http` out of the hub’s own OpenAPI document: do not edit -->',
  '',
  '# HTTP reference',
  '',
  'The same as a document for programs: `GET /v1/openapi.json`. A token goes into `Authorization: Bearer roost_…`; a device uses',
  'HTTP Basic with its id and secret. What a scope is: [governance](governance.md#tokens). Whatever is refused is a problem',
  'document (RFC 9457) with `title`, `status`, `code`, `detail`, and the field that is wrong where there is one. Lists come in',
  'pages: `limit`, and as `cursor` the `next` of the page before. In the tables a field with `?` may be left out.',
  '',
]

const areaLines = (area: string, routes: readonly Route[]): string[] => [
  `## ${area}`,
  '',
  ...routes.flatMap(({ method, path, operation }) => [
    `### ${method} ${path}`,
    '',
    `${text(operation.summary)}. For: ${allowed(operation)}.`,
    '',
    ...parameterLines(list(operation.parameters).map(object)),
    ...bodyLines(object(operation.requestBody)),
    ...answerLines(object(operation.responses)),
    '',
  ]),
]

/** The scopes of which one is needed. */
function allowed(operation: JsonObject): string {
  const ways = list(operation.security).map(object)
  const scopes = ways.flatMap((way) => {
    if ('device' in way) return ['a device']
    return list(way.token).map((scope) => `\`${text(scope)}\``)
  })
  return scopes.length === 0 ? 'everybody' : scopes.join(' or ')
}

function parameterLines(parameters: readonly JsonObject[]): string[] {
  if (parameters.length === 0) return []
  const rows = parameters.map(({ name, in: place, required, schema, description }) => {
    const said = description ?? object(schema).description
    return `| \`${text(name)}${required === true ? '' : '?'}\` | ${text(place)} | ${typeOf(object(schema))} | ${cell(text(said))} |`
  })
  return ['| parameter | in | type | |', '|---|---|---|---|', ...rows, '']
}

function bodyLines(body: JsonObject): string[] {
  return Object.entries(object(body.content)).flatMap(([type, content]) => {
    const schema = object(object(content).schema)
    const isTable = Object.keys(object(schema.properties)).length > 0
    if (!isTable) return [`Body, \`${type}\`: ${typeOf(schema)}`, '']
    return [`Body, \`${type}\`:`, '', ...shape(schema)]
  })
}

function answerLines(responses: JsonObject): string[] {
  const successes = Object.entries(responses).filter(([status]) => Number(status) < 400)
  return successes.flatMap(([status, response]) => {
    const contents = Object.entries(object(object(response).content))
    if (contents.length === 0) return [`Answers ${status}: ${cell(text(object(response).description))}`, '']
    return contents.flatMap(([type, content]) => {
      const schema = object(object(content).schema)
      const isTable = Object.keys(object(schema.properties)).length > 0
      if (!isTable) return [`Answers ${status}, \`${type}\`: ${typeOf(schema)}`, '']
      return [`Answers ${status}, \`${type}\`:`, '', ...shape(schema)]
    })
  })
}

/** A table of fields where it has some. */
function shape(schema: JsonObject): string[] {
  const fields = Object.entries(object(schema.properties))
  if (fields.length === 0) return [typeOf(schema), '']
  const needed = new Set(list(schema.required).map(text))
  const rows = fields.map(([name, field]) => {
    const { description } = object(field)
    return `| \`${name}${needed.has(name) ? '' : '?'}\` | ${typeOf(object(field))} | ${cell(text(description))} |`
  })
  return ['| field | type | |', '|---|---|---|', ...rows, '']
}

/** A type in a few words; what has a name is a link. */
function typeOf(schema: JsonObject): string {
  const { $ref, enum: values, const: value, type, items, properties, additionalProperties } = schema
  if (typeof $ref === 'string') {
    const name = $ref.split('/').at(-1) ?? ''
    return `[${name}](#${name.toLowerCase()})`
  }
  if (value !== undefined) return code(value)
  if (Array.isArray(values)) return values.map(code).join(', ')
  const choices = [...list(schema.anyOf), ...list(schema.oneOf)].map((choice) => typeOf(object(choice)))
  if (choices.length > 0) return [...new Set(choices)].join(' or ')
  const parts = list(schema.allOf).map((part) => typeOf(object(part)))
  if (parts.length > 0) return parts.join(' with ')
  if (Array.isArray(type)) return type.map((one) => typeOf({ ...schema, type: one })).join(' or ')
  if (type === 'array') return `list of ${typeOf(object(items))}`
  if (type === 'object') {
    const needed = new Set(list(schema.required).map(text))
    const fields = Object.entries(object(properties)).map(([name, field]) => {
      return `\`${name}${needed.has(name) ? '' : '?'}\`: ${typeOf(object(field))}`
    })
    if (fields.length > 0) return `{ ${fields.join('; ')} }`
    return Object.keys(object(additionalProperties)).length === 0
      ? 'object'
      : `map of ${typeOf(object(additionalProperties))}`
  }
  if (type === 'null') return 'null'
  return typeof type === 'string' ? `${type}${bounds(schema)}` : 'anything'
}

/** What may be, of a number or a text; the bounds of safe integers say nothing. */
function bounds({ minimum, maximum, exclusiveMinimum, minLength, maxLength, format }: JsonObject): string {
  const isTold = (bound: Json | undefined) => typeof bound === 'number' && Math.abs(bound) < Number.MAX_SAFE_INTEGER
  const said = [
    ...(typeof format === 'string' ? [format] : []),
    ...(isTold(minimum) ? [`at least ${text(minimum)}`] : []),
    ...(isTold(exclusiveMinimum) ? [`above ${text(exclusiveMinimum)}`] : []),
    ...(isTold(maximum) ? [`at most ${text(maximum)}`] : []),
    ...(isTold(minLength) && minLength !== 0 ? [`from ${text(minLength)} characters`] : []),
    ...(isTold(maxLength) ? [`up to ${text(maxLength)} characters`] : []),
  ]
  return said.length === 0 ? '' : ` (${said.join(', ')})`
}

const code = (value: Json): string => `\`${JSON.stringify(value)}\``
const cell = (said: string): string => said.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|')
const text = (value: Json | undefined): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : ''
const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [])
const object = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
