// How a route for MLflow clients is declared: method, path, who may call it, which fields it reads, what it answers.
// An answer is always 200 with a JSON object: clients take nothing else for success.

import { type OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type HubEnv, type Scope, scoped } from '../../governance/access.ts'
import { MlflowError } from './error.ts'
import { asMlflowError } from './refusal.ts'
import { readFields } from './request.ts'

export type MlflowApp = OpenAPIHono<HubEnv>

export type MlflowRoute<S extends z.ZodObject> = {
  method: 'get' | 'post' | 'patch' | 'delete'
  /** Under `/api/2.0/mlflow/`, such as `runs/create` or `logged-models/{model_id}`; a whole path where it begins with `/`. */
  path: string
  summary: string
  /** viewer for what reads, ci for what writes. */
  scope: Scope
  fields: S
}

/** Adds the route to the application and to the OpenAPI document.
 *  @param answer of the checked fields; what it throws becomes `{ error_code, message }` */
export function mlflowRoute<S extends z.ZodObject>(
  app: MlflowApp,
  { method, path, summary, scope, fields }: MlflowRoute<S>,
  answer: (fields: z.output<S>, c: Context<HubEnv>) => Promise<Record<string, unknown>>,
): void {
  const whole = path.startsWith('/') ? path : `/api/2.0/mlflow/${path}`
  const access = scoped(scope)
  app.openAPIRegistry.registerPath({
    method,
    path: whole,
    summary: `MLflow: ${summary}`,
    security: access.security,
    request: documented(method, whole, fields),
    responses: {
      200: { description: 'Done', content: { 'application/json': { schema: z.looseObject({}) } } },
      default: { description: 'Refused', content: { 'application/json': { schema: ErrorDocument } } },
    },
  })
  app.on(method.toUpperCase(), [whole.replaceAll(/\{(\w+)\}/g, ':$1')], ...access.middleware, async (c) =>
    c.json(await answered(async () => answer(await readFields(fields, c), c)), 200),
  )
}

async function answered<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw asMlflowError(error)
  }
}

/** Says that there is nothing, in the one word on which clients try their next endpoint. Add it after all routes. */
export function endpointNotFound(app: MlflowApp): void {
  app.all('/api/*', (c) => {
    throw new MlflowError('ENDPOINT_NOT_FOUND', `there is nothing at ${c.req.method} ${c.req.path}`)
  })
}

const ErrorDocument = z.object({ error_code: z.string(), message: z.string() }).openapi('MlflowError')

/** The fields where they travel: path, query, or JSON body. */
function documented(method: string, path: string, fields: z.ZodObject) {
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
  const pick = (wanted: boolean) =>
    z.object(Object.fromEntries(Object.entries(fields.shape).filter(([name]) => inPath.includes(name) === wanted)))
  const rest = pick(false)
  return {
    params: pick(true),
    ...(method === 'get' ? { query: rest } : { body: { content: { 'application/json': { schema: rest } } } }),
  }
}
