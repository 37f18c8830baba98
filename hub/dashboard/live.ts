// What has changed, told to open pages as it happens (Server-Sent Events): no contents, only that a topic has another
// revision. The page then asks again for what it shows, with its own rights.

import { setTimeout as delay } from 'node:timers/promises'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { streamSSE } from 'hono/streaming'
import type { Fleet } from '../fleet/fleet.ts'
import { authenticate, type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { Problem, problems } from '../problem.ts'
import { createRevisions } from './revisions.ts'

const listenersMax = 200
const topicsMax = 20
const lookEveryMs = 1_000
const heartbeatMs = 15_000
/** How long after its end a session still hears that something changed. */
const authenticateEveryMs = 2_000

const listen = createRoute({
  method: 'get',
  path: '/v1/live',
  summary: 'Server-sent events, {topic, revision}: at first of every topic, then of those that change',
  ...scoped('viewer'),
  request: {
    query: z.object({
      topics: z
        .string()
        .max(1_000)
        .openapi({ description: 'separated by commas', example: 'fleet,device:gateway-1,rollout:01H…' }),
    }),
  },
  responses: { 200: { description: 'text/event-stream' }, ...problems() },
})

export function liveRoutes(hub: Hub, fleet: Pick<Fleet, 'connectedDevices' | 'isConnected'>): OpenAPIHono<HubEnv> {
  const revisions = createRevisions(hub, fleet)
  let listeners = 0
  return new OpenAPIHono<HubEnv>().openapi(listen, (c) => {
    const topics = [...new Set(c.req.valid('query').topics.split(','))]
    const unknown = topics.find((topic) => !revisions.isTopic(topic))
    if (unknown !== undefined || topics.length > topicsMax) {
      const detail =
        unknown === undefined
          ? `one listener may have ${topicsMax} topics`
          : `${JSON.stringify(unknown)} is no topic; there are ${revisions.kinds.join(', ')}`
      throw new Problem(422, 'invalid-request', 'The request does not fit its schema', detail, { field: 'topics' })
    }
    if (listeners >= listenersMax) {
      throw new Problem(503, 'overloaded', 'Try again later', `${listenersMax} listen already`, {
        headers: { 'retry-after': '15' },
      })
    }
    listeners += 1
    const response = streamSSE(c, async (stream) => {
      const over = new AbortController()
      stream.onAbort(() => over.abort())
      const ended = AbortSignal.any([over.signal, hub.stopping])
      try {
        const told = new Map<string, string>()
        for (let sinceBeatMs = 0, sinceCheckMs = 0; !ended.aborted; ) {
          for (const topic of topics) {
            const revision = await revisions.of(topic)
            if (told.get(topic) === revision) continue
            told.set(topic, revision)
            await stream.writeSSE({ data: JSON.stringify({ topic, revision }) })
            sinceBeatMs = 0
          }
          if (sinceBeatMs >= heartbeatMs) {
            await stream.writeSSE({ event: 'beat', data: '' })
            sinceBeatMs = 0
          }
          if (sinceCheckMs >= authenticateEveryMs) {
            await authenticate(c)
            sinceCheckMs = 0
          }
          await delay(lookEveryMs, undefined, { signal: ended })
          sinceBeatMs += lookEveryMs
          sinceCheckMs += lookEveryMs
        }
      } catch (error) {
        // the session or the listener is over, which is how it ends
        if (!ended.aborted && !(error instanceof Problem)) hub.log.warn({ err: error }, 'a live stream broke off')
      } finally {
        listeners -= 1
      }
    })
    // a proxy that gathered answers would hold the events back (nginx)
    response.headers.set('x-accel-buffering', 'no')
    return response
  })
}
