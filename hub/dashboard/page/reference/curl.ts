// A route as a command that can be typed: what must be given is in it, as shell variables or as an example. Pure.

import { allowed, bodyOf, type Json, type JsonObject, list, object, parametersOf, type Route, text } from './openapi.ts'

/** Of examples inside of examples. */
const depthMax = 6

/** `origin`: where the hub is, `http://127.0.0.1:7070`. */
export function curlOf(route: Route, schemas: Record<string, JsonObject>, origin: string): string {
  const parameters = parametersOf(route)
  const needed = parameters.filter(({ place, isNeeded }) => place === 'query' && isNeeded)
  const path = route.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => variable(name))
  const query = needed.map(({ name }) => `${encodeURIComponent(name)}=${variable(name)}`).join('&')
  const [body] = bodyOf(route)
  const lines = [`curl${curlMethod(route.method)} "${origin}${path}${query === '' ? '' : `?${query}`}"`]
  if (!allowed(route).includes('everybody')) lines.push(`-H "Authorization: Bearer $ROOST_TOKEN"`)
  for (const { name, place, isNeeded } of parameters)
    if (place === 'header' && isNeeded) lines.push(`-H "${name}: ${variable(name)}"`)
  if (body !== undefined) {
    lines.push(`-H "Content-Type: ${body.type}"`)
    lines.push(body.type === 'application/json' ? `-d ${shellQuoted(exampleText(body.schema, schemas))}` : '-T "$file"')
  }
  return lines.join(' \\\n  ')
}

const curlMethod = (method: string): string => (method === 'GET' ? '' : method === 'HEAD' ? ' -I' : ` -X ${method}`)
const variable = (name: string): string => `$${name.replaceAll(/[^A-Za-z0-9_]/g, '_')}`
const shellQuoted = (said: string): string => `'${said.replaceAll("'", `'\\''`)}'`

const exampleText = (schema: JsonObject, schemas: Record<string, JsonObject>): string =>
  JSON.stringify(exampleOf(schema, schemas))

/** What a document may look like: what must be there, and an example where the schema has one. */
export function exampleOf(schema: JsonObject, schemas: Record<string, JsonObject>, depth = 0): Json {
  if (depth > depthMax) return null
  const inner = (other: Json | undefined) => exampleOf(object(other), schemas, depth + 1)
  const { $ref, example, default: usual, const: value, enum: values, type, items } = schema
  if (example !== undefined) return example
  if (usual !== undefined) return usual
  if (value !== undefined) return value
  if (typeof $ref === 'string') return inner(schemas[$ref.split('/').at(-1) ?? ''])
  if (Array.isArray(values)) return values[0] ?? null
  const [choice] = [...list(schema.anyOf), ...list(schema.oneOf)]
  if (choice !== undefined) return inner(choice)
  const parts = list(schema.allOf)
  if (parts.length > 0) return Object.assign({}, ...parts.map((part) => object(inner(part))))
  const kind = Array.isArray(type) ? type[0] : type
  if (kind === 'object') {
    const properties = object(schema.properties)
    return Object.fromEntries(list(schema.required).map((name) => [text(name), inner(properties[text(name)])]))
  }
  if (kind === 'array') return Number(schema.minItems ?? 0) > 0 ? [inner(items)] : []
  if (kind === 'string') return '…'
  if (kind === 'boolean') return true
  if (kind === 'integer' || kind === 'number') return numberWithin(schema)
  return null
}

function numberWithin({ minimum, exclusiveMinimum }: JsonObject): number {
  if (typeof minimum === 'number' && minimum > 0) return minimum
  return typeof exclusiveMinimum === 'number' && exclusiveMinimum >= 0 ? exclusiveMinimum + 1 : 0
}
