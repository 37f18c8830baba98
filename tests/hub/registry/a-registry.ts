// A hub with its registry's routes, and requests to it as clients make them.

import { z } from 'zod'
import { createApp, type Routes } from '../../../hub/app.ts'
import type { Role } from '../../../hub/governance/grants.ts'
import { VersionDocument } from '../../../hub/registry/documents.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import type { Score } from '../../../hub/registry/scoring.ts'
import { readAs, type TestHub } from '../a-hub.ts'
import { aForm, doubling, post, type UploadParts } from './an-upload.ts'

export type Answer = { status: number; etag: string | null; body: unknown }
export type Registry = {
  app: Routes
  /** A request by a token of the role. */
  ask(role: Role, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Registers a version. */
  register(parts?: UploadParts, model?: string): Promise<z.infer<typeof VersionDocument>>
  /** Sends a further variant. */
  addVariant(version: number, parts: UploadParts, model?: string): Promise<Answer>
}

export async function aRegistry(hub: TestHub, score: Score = doubling): Promise<Registry> {
  const app = createApp(hub, [registryRoutes(hub, createRegistrar(hub, score))])
  const tokens = new Map<Role, string>()
  const tokenOf = async (role: Role): Promise<string> => {
    const token = tokens.get(role) ?? (await hub.tokenOf(role))
    tokens.set(role, token)
    return token
  }
  const answerOf = async (response: Response): Promise<Answer> => {
    const text = await response.text()
    const body: unknown = text === '' ? null : JSON.parse(text)
    return { status: response.status, etag: response.headers.get('etag'), body }
  }
  return {
    app,
    ask: async (role, method, path, body, headers = {}) =>
      answerOf(
        await app.request(path, {
          method,
          headers: {
            authorization: `Bearer ${await tokenOf(role)}`,
            ...(body === undefined ? {} : { 'content-type': 'application/json' }),
            ...headers,
          },
          ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        }),
      ),
    register: async (parts, model) =>
      readAs(VersionDocument, post(app, await tokenOf('ci'), aForm(parts), model ?? 'scale')),
    addVariant: async (version, parts, model = 'scale') =>
      answerOf(
        await app.request(`/v1/models/${model}/versions/${version}/variants`, {
          method: 'POST',
          body: aForm(parts),
          headers: { authorization: `Bearer ${await tokenOf('ci')}` },
        }),
      ),
  }
}

const Recorded = z.object({
  action: z.string(),
  subject: z.string(),
  before: z.string().nullable(),
  after: z.string().nullable(),
})

/** What the audit log says, oldest first: action, subject, before, after. */
export async function recorded(hub: TestHub): Promise<[string, string, unknown, unknown][]> {
  const rows = await hub.database.all(Recorded, 'SELECT action, subject, before, after FROM audit_log ORDER BY seq')
  const value = (text: string | null): unknown => (text === null ? null : JSON.parse(text))
  return rows.map(({ action, subject, before, after }) => [action, subject, value(before), value(after)])
}
