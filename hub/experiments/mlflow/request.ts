// What an MLflow client sends: fields in the query of a GET, as JSON in the body of anything else, also of a DELETE.
// Unknown fields are ignored, 64-bit integers may be strings, and Python writes NaN and Infinity bare.

import { z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { invalidParameter, MlflowError } from './error.ts'

/** Every string of a request: well-formed Unicode without NUL, which SQLite would take for the end.
 *  @param lengthMax in UTF-16 code units */
export const text = (lengthMax: number) =>
  z.string().max(lengthMax).refine(isStorable, { message: 'is not well-formed Unicode, or holds a NUL' })

const isStorable = (value: string): boolean => value.isWellFormed() && !value.includes('\0')

/** An int64 as number or string, within what a double holds exactly. */
export const integer = z
  .union([z.number(), z.string().regex(/^-?\d{1,16}$/)])
  .transform(Number)
  .refine(Number.isSafeInteger, { message: 'is not an integer' })

/** A double as number, or as one of the strings that JSON has no numbers for. */
export const double = z
  .union([z.number(), z.string().regex(/^(-?Infinity|NaN|-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?)$/)])
  .transform(Number)

/** A double as it is sent: what JSON cannot say becomes the string protobuf uses. */
export const shownDouble = (value: number): number | string => (Number.isFinite(value) ? value : String(value))

/** How many of a page: `fallback` where nothing is said. */
export const pageSize = (fallback: number, most: number) =>
  integer.optional().transform((value, context) => {
    const size = value ?? fallback
    if (size >= 1 && size <= most) return size
    context.addIssue({ code: 'custom', message: `must be between 1 and ${most}` })
    return z.NEVER
  })

/** The fields of the request, checked. Path parameters are fields too.
 *  @throws MlflowError INVALID_PARAMETER_VALUE, naming what is missing or wrong */
export async function readFields<S extends z.ZodType>(schema: S, c: Context): Promise<z.output<S>> {
  const given = c.req.method === 'GET' ? queryFields(c.req.queries(), schema) : await bodyFields(c)
  const fields = { ...given, ...c.req.param() }
  const result = schema.safeParse(fields)
  if (!result.success) throw refusal(result.error, fields)
  return result.data
}

/** A key that repeats is a list; so is one that the schema says is a list. */
function queryFields(queries: Record<string, string[]>, schema: z.ZodType): Record<string, unknown> {
  const shape: Record<string, z.ZodType> = schema instanceof z.ZodObject ? schema.shape : {}
  return Object.fromEntries(
    Object.entries(queries).map(([key, values]) => {
      const takesList = shape[key]?.safeParse([]).success ?? false
      return [key, takesList || values.length > 1 ? values : values[0]]
    }),
  )
}

const JsonObject = z.record(z.string(), z.unknown())

async function bodyFields(c: Context): Promise<Record<string, unknown>> {
  const body = await c.req.text()
  if (body.trim() === '') return {}
  const parsed = JsonObject.safeParse(parseLooseJson(body))
  if (!parsed.success) throw new MlflowError('BAD_REQUEST', 'the body is no JSON object')
  return parsed.data
}

/** JSON in which NaN, Infinity and -Infinity may stand bare, as Python's `json` writes them; they become strings.
 *  @throws MlflowError BAD_REQUEST */
export function parseLooseJson(body: string): unknown {
  try {
    return JSON.parse(body)
  } catch (error) {
    // A string is taken whole, also one that never ends, so that what is in it stays and no character is read twice.
    const quoted = body.replaceAll(/"(?:[^"\\]|\\.)*(?:"|\\?$)|-?\b(?:NaN|Infinity)\b/gs, (token) =>
      token.startsWith('"') ? token : `"${token}"`,
    )
    if (quoted === body) throw notJson(error)
    try {
      return JSON.parse(quoted)
    } catch (cause) {
      throw notJson(cause)
    }
  }
}

const notJson = (cause: unknown): MlflowError => new MlflowError('BAD_REQUEST', 'the body is not JSON', { cause })

/** People and programs match these sentences. */
function refusal({ issues }: z.ZodError, fields: unknown): MlflowError {
  const [issue] = issues
  const path = issue?.path.map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`)).join('') ?? ''
  const name = path.replace(/^\./, '')
  if (issue !== undefined && valueAt(fields, issue.path) === undefined) {
    return invalidParameter(`Missing value for required parameter '${name}'.`)
  }
  return invalidParameter(`Invalid value for parameter '${name}' supplied: ${issue?.message ?? 'it does not fit'}`)
}

function valueAt(fields: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, step) => (typeof value === 'object' && value !== null ? Reflect.get(value, step) : undefined),
    fields,
  )
}
