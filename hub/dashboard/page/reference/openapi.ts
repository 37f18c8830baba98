// The hub's own OpenAPI document as people read it: routes by area, who may use them, what they take and answer, types in
// a few words. For the page, and for docs/http-reference.md. Pure.

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
export type JsonObject = { [key: string]: Json }
export type Route = { method: string; path: string; operation: JsonObject }
/** Words of a type: plain, a value as it is written, or the name of a document. */
export type Word = string | { code: string } | { ref: string }
export type Field = { name: string; isNeeded: boolean; type: Word[]; text: string; place?: string }
/** Of a body or an answer: fields where it has some, else its type. */
export type Content = { type: string; fields: Field[]; words: Word[]; schema: JsonObject }
export type Answer = { status: string; text: string; contents: Content[] }

const methods = ['get', 'post', 'put', 'patch', 'delete', 'head', 'options'] as const

/** @param document OpenAPI 3.1 as the hub gives it out: references into components.schemas only */
export function routesOf(document: Json): Route[] {
  return Object.entries(object(object(document).paths)).flatMap(([path, item]) =>
    methods.flatMap((method): Route[] => {
      const operation = object(object(item)[method])
      return Object.keys(operation).length === 0 ? [] : [{ method: method.toUpperCase(), path, operation }]
    }),
  )
}

export const schemasOf = (document: Json): Record<string, JsonObject> =>
  Object.fromEntries(
    Object.entries(object(object(object(document).components).schemas)).map(([name, schema]) => [name, object(schema)]),
  )

/** `runs` of `/v1/runs/{id}`; undefined for what is not the hub's own API. */
export const areaOf = ({ path }: Route): string | undefined =>
  path.startsWith('/v1/') ? (path.split('/')[2] ?? '') : undefined

/** The hub's own routes by area, by name. */
export function areasOf(routes: readonly Route[]): [area: string, routes: Route[]][] {
  const own = routes.filter((route) => areaOf(route) !== undefined)
  return [...Map.groupBy(own, (route) => areaOf(route) ?? '')].sort(([a], [b]) => (a < b ? -1 : 1))
}

export const summaryOf = ({ operation }: Route): string => text(operation.summary)

/** The scopes of which one is needed. */
export function allowed({ operation }: Route): Word[] {
  const scopes = list(operation.security)
    .map(object)
    .flatMap((way): Word[] =>
      'device' in way ? ['a device'] : list(way.token).map((scope) => ({ code: text(scope) })),
    )
  return scopes.length === 0
    ? ['everybody']
    : between(
        scopes.map((scope) => [scope]),
        ' or ',
      )
}

export const parametersOf = ({ operation }: Route): Field[] =>
  list(operation.parameters)
    .map(object)
    .map(({ name, in: place, required, schema, description }) => ({
      name: text(name),
      place: text(place),
      isNeeded: required === true,
      type: typeOf(object(schema)),
      text: text(description ?? object(schema).description),
    }))

export const bodyOf = ({ operation }: Route): Content[] => contentsOf(object(operation.requestBody))

/** Those of success. */
export const answersOf = ({ operation }: Route): Answer[] =>
  Object.entries(object(operation.responses))
    .filter(([status]) => Number(status) < 400)
    .map(([status, response]) => ({
      status,
      text: text(object(response).description),
      contents: contentsOf(object(response)),
    }))

const contentsOf = (holder: JsonObject): Content[] =>
  Object.entries(object(holder.content)).map(([type, content]) => {
    const schema = object(object(content).schema)
    return { type, fields: fieldsOf(schema), words: typeOf(schema), schema }
  })

export function fieldsOf(schema: JsonObject): Field[] {
  const needed = new Set(list(schema.required).map(text))
  return Object.entries(object(schema.properties)).map(([name, field]) => ({
    name,
    isNeeded: needed.has(name),
    type: typeOf(object(field)),
    text: text(object(field).description),
  }))
}

/** A type in a few words. */
export function typeOf(schema: JsonObject): Word[] {
  const { $ref, enum: values, const: value, type, items, additionalProperties } = schema
  if (typeof $ref === 'string') return [{ ref: $ref.split('/').at(-1) ?? '' }]
  if (value !== undefined) return [{ code: JSON.stringify(value) }]
  if (Array.isArray(values))
    return between(
      values.map((one) => [{ code: JSON.stringify(one) }]),
      ', ',
    )
  const choices = [...list(schema.anyOf), ...list(schema.oneOf)].map((choice) => typeOf(object(choice)))
  if (choices.length > 0) return between(distinct(choices), ' or ')
  const parts = list(schema.allOf).map((part) => typeOf(object(part)))
  if (parts.length > 0) return between(parts, ' with ')
  if (Array.isArray(type))
    return between(
      type.map((one) => typeOf({ ...schema, type: one })),
      ' or ',
    )
  if (type === 'array') return ['list of ', ...typeOf(object(items))]
  if (type === 'object') {
    const fields = fieldsOf(schema).map(({ name, isNeeded, type }): Word[] => [
      { code: `${name}${isNeeded ? '' : '?'}` },
      ': ',
      ...type,
    ])
    if (fields.length > 0) return ['{ ', ...between(fields, '; '), ' }']
    return Object.keys(object(additionalProperties)).length === 0
      ? ['object']
      : ['map of ', ...typeOf(object(additionalProperties))]
  }
  if (type === 'null') return ['null']
  return [typeof type === 'string' ? `${type}${bounds(schema)}` : 'anything']
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

const between = (parts: readonly Word[][], joint: string): Word[] =>
  parts.flatMap((part, i) => (i === 0 ? part : [joint, ...part]))

const distinct = (parts: readonly Word[][]): Word[][] => [
  ...new Map(parts.map((part) => [JSON.stringify(part), part])).values(),
]

export const text = (value: Json | undefined): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : ''
export const list = (value: Json | undefined): Json[] => (Array.isArray(value) ? value : [])
export const object = (value: Json | undefined): JsonObject =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? value : {}
