// Keys over HTTP: which there are, and the two steps of a rotation that need no private key to leave its place. A new
// root is made and signed where the root key is (`roost keys rotate`).

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { decodeEnvelope, payloadTypes } from '@roost/shared/trust/envelope.ts'
import { parseRoot } from '@roost/shared/trust/root.ts'
import { actorOf, assertUnrestricted, type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import { KeyDocument, KeysDocument, RootDocument } from './documents.ts'
import { lookAtKeys } from './look.ts'
import { acceptRoot, makeNextAssignment } from './next-root.ts'

const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})

const list = createRoute({
  method: 'get',
  path: '/v1/keys',
  summary: 'The keys there are and were: what for, since when, until when; never a private part',
  ...scoped('viewer'),
  responses: { 200: json(KeysDocument, 'The keys'), ...problems() },
})
const roots = createRoute({
  method: 'get',
  path: '/v1/keys/roots',
  summary: 'The roots as they were signed (DSSE), oldest first',
  ...scoped('viewer'),
  responses: { 200: json(z.object({ roots: z.array(RootDocument) }), 'The roots'), ...problems() },
})
const prepare = createRoute({
  method: 'post',
  path: '/v1/keys/assignment/next',
  summary: 'Make the next assignment key, for a new root to name; the same again until one does',
  ...scoped('admin'),
  responses: { 200: json(KeyDocument, 'Its public part'), ...problems() },
})
const follow = createRoute({
  method: 'post',
  path: '/v1/keys/roots',
  summary: 'Follow a new root, signed by a threshold of the old root keys and of its own',
  ...scoped('admin'),
  request: {
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z.strictObject({
            envelope: z.base64().max(90_000),
            leaveUnsigned: z.boolean().default(false).openapi({
              description: 'also where devices are to run what no release key of the new root has signed',
            }),
          }),
        },
      },
    },
  },
  responses: { 201: json(KeysDocument, 'The keys, afterwards'), ...problems() },
})

export function keyRoutes(hub: Hub): OpenAPIHono<HubEnv> {
  const { keys } = hub
  return new OpenAPIHono<HubEnv>()
    .openapi(list, async (c) => c.json(await lookAtKeys(hub), 200))
    .openapi(roots, (c) => {
      const shown = keys.roots.map((envelope) => {
        const { version, expires } = parseRoot(decodeEnvelope(envelope, payloadTypes.root).payload)
        return { version, expires, envelope: Buffer.from(envelope).toString('base64') }
      })
      return c.json({ roots: shown }, 200)
    })
    .openapi(prepare, async (c) => {
      assertUnrestricted(c, ofAll)
      const by = { actor: actorOf(c.get('principal')), requestId: c.get('requestId') }
      return c.json(await makeNextAssignment(hub, by), 200)
    })
    .openapi(follow, async (c) => {
      assertUnrestricted(c, ofAll)
      const { envelope, leaveUnsigned } = c.req.valid('json')
      const by = { actor: actorOf(c.get('principal')), requestId: c.get('requestId') }
      await acceptRoot(hub, Buffer.from(envelope, 'base64'), leaveUnsigned, by)
      return c.json(await lookAtKeys(hub), 201)
    })
}

const ofAll = 'keys are for all'
