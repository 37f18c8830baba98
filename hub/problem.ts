// What goes wrong in a request, as RFC 9457 problem documents. Slices throw a Problem; app.ts turns it into
// the response, in one place.

import { z } from '@hono/zod-openapi'
import { useSchemaSentences } from './schema-sentences.ts'

useSchemaSentences()

/** One wrong field of a request: where (a path like `labels.site`, or the name of a part) and what about it. */
export type FieldError = { field: string; detail: string }

export class Problem extends Error {
  override readonly name = 'Problem'
  readonly status: number
  readonly code: string
  readonly title: string
  readonly detail: string
  readonly field: string | undefined
  /** Further members of the document, such as the version a repeat repeats. */
  readonly members: Readonly<Record<string, unknown>>
  /** Of the response, such as Content-Range. */
  readonly headers: Readonly<Record<string, string>>

  /** `code` is lower-case words with hyphens; it becomes the type `urn:roost:problem:<code>`. */
  constructor(
    status: number,
    code: string,
    title: string,
    detail: string,
    options: {
      field?: string
      members?: Record<string, unknown>
      headers?: Record<string, string>
      cause?: unknown
    } = {},
  ) {
    super(`${title}: ${detail}`, { cause: options.cause })
    this.status = status
    this.code = code
    this.title = title
    this.detail = detail
    this.field = options.field
    this.members = options.members ?? {}
    this.headers = options.headers ?? {}
  }
}

const problemMediaType = 'application/problem+json'

/** The document, as routes declare it. */
export const ProblemDocument = z
  .looseObject({
    type: z.string().openapi({ example: 'urn:roost:problem:not-onnx' }),
    code: z.string().openapi({ example: 'not-onnx' }),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    /** The part or field that is wrong. */
    field: z.string().optional(),
    errors: z.array(z.object({ field: z.string(), detail: z.string() })).optional(),
    /** Also in the log of the hub. */
    requestId: z.string(),
  })
  .openapi('Problem')
export type ProblemDocument = z.infer<typeof ProblemDocument>

function problemDocument(problem: Problem, requestId: string): ProblemDocument {
  return {
    ...problem.members,
    type: `urn:roost:problem:${problem.code}`,
    code: problem.code,
    title: problem.title,
    status: problem.status,
    detail: problem.detail,
    ...(problem.field === undefined ? {} : { field: problem.field }),
    requestId,
  }
}

export function problemResponse(problem: Problem, requestId: string): Response {
  return new Response(JSON.stringify(problemDocument(problem, requestId)), {
    status: problem.status,
    headers: { ...problem.headers, 'content-type': problemMediaType },
  })
}

/** `responses` entry of a route for the problems it may answer with: `{ ...problems('Not found') }`. */
export const problems = (description = 'What went wrong (RFC 9457)') => ({
  default: { description, content: { [problemMediaType]: { schema: ProblemDocument } } },
})

export const notFound = (what: string, name: string): Problem =>
  new Problem(404, 'not-found', 'Not found', `there is no ${what} ${JSON.stringify(name)}`)

/** So many wrong fields are named. */
const errorsMax = 100

/** `error`: why nothing can be there, such as an id that none has. */
export function nothingAt(path: string, error?: Misfit): Problem {
  const why = error === undefined ? '' : `: ${invalidRequest(error).detail}`
  return new Problem(404, 'not-found', 'Not found', `there is nothing at ${path}${why}`)
}

type Misfit = z.ZodError | { issues: readonly z.core.$ZodIssue[] }

/** A body, query or header that does not fit its schema; every wrong field is named. */
export function invalidRequest(error: Misfit): Problem {
  const errors: FieldError[] = error.issues.slice(0, errorsMax).map(({ path, message }) => ({
    field: path.map(String).join('.'),
    detail: message,
  }))
  const [first] = errors
  const more = error.issues.length - errors.length
  const detail = [
    ...errors.map(({ field, detail }) => (field === '' ? detail : `${field}: ${detail}`)),
    ...(more > 0 ? [`and ${more} more`] : []),
  ].join('; ')
  return new Problem(422, 'invalid-request', 'The request does not fit its schema', detail, {
    ...(first === undefined || first.field === '' ? {} : { field: first.field }),
    members: { errors },
  })
}
