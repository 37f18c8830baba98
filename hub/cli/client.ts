// The HTTP client of the command line: one hub, one token, problems turned into sentences.

import { z } from 'zod'

export type Client = {
  get<T>(path: string, schema: z.ZodType<T>): Promise<T>
  send<T>(
    method: 'POST' | 'PUT' | 'PATCH' | 'DELETE',
    path: string,
    body: unknown,
    schema: z.ZodType<T>,
    headers?: Record<string, string>,
  ): Promise<T>
  bytes(path: string): Promise<Uint8Array>
  /** For answers that may be of any length. */
  stream(path: string): Promise<ReadableStream<Uint8Array>>
}

/** What the hub answered instead of what was asked for; `message` is a sentence for a person. */
export class RequestError extends Error {
  readonly status: number
  readonly problem: unknown
  constructor(message: string, status: number, problem: unknown) {
    super(message)
    this.status = status
    this.problem = problem
  }
}

const Problem = z.object({ title: z.string(), detail: z.string().optional(), field: z.string().optional() })

/** @param url where the hub listens, e.g. http://127.0.0.1:7070
 *  @throws RequestError for every answer that is not a success, and where no hub answers */
export function createClient(url: string, token: string): Client {
  const request = async (
    method: string,
    path: string,
    body: unknown,
    more: Record<string, string> = {},
  ): Promise<Response> => {
    const headers: Record<string, string> = { ...more, authorization: `Bearer ${token}` }
    if (body !== undefined && !isRaw(body)) headers['content-type'] = 'application/json'
    if (method === 'POST') headers['idempotency-key'] = crypto.randomUUID()
    let response: Response
    try {
      response = await fetch(new URL(path, url), {
        method,
        headers,
        ...(body === undefined ? {} : { body: isRaw(body) ? body : JSON.stringify(body) }),
      })
    } catch (error) {
      throw new RequestError(`no hub answers at ${url} (${reasonOf(error)}); is it running, is --url right?`, 0, null)
    }
    if (!response.ok) throw await problemOf(response)
    return response
  }
  /** 202 and 204 come without a body. */
  const parsed = async <T>(response: Response, schema: z.ZodType<T>): Promise<T> => {
    const text = await response.text()
    return schema.parse(text === '' ? undefined : JSON.parse(text))
  }

  return {
    get: async (path, schema) => parsed(await request('GET', path, undefined), schema),
    send: async (method, path, body, schema, headers) => parsed(await request(method, path, body, headers), schema),
    bytes: async (path) => (await request('GET', path, undefined)).bytes(),
    stream: async (path) => (await request('GET', path, undefined)).body ?? new ReadableStream(),
  }
}

/** Sent as it is, with its own content type. */
const isRaw = (body: unknown): body is FormData | Blob => body instanceof FormData || body instanceof Blob

async function problemOf(response: Response): Promise<RequestError> {
  const text = await response.text()
  let body: unknown = text
  try {
    body = JSON.parse(text)
  } catch {
    // Not a problem document (a proxy's page, say): the status line is all there is to tell.
    return new RequestError(`the hub answered ${response.status} ${response.statusText}`, response.status, text)
  }
  const problem = Problem.safeParse(body)
  if (!problem.success) return new RequestError(`the hub answered ${response.status}`, response.status, body)
  const { title, detail, field } = problem.data
  // details of a schema's faults name their fields themselves
  const where = field === undefined || detail?.startsWith(`${field}: `) ? '' : ` (${field})`
  return new RequestError(`${title}${where}${detail === undefined ? '' : `: ${detail}`}`, response.status, body)
}

function reasonOf(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error
  return cause instanceof Error ? cause.message : String(cause)
}
