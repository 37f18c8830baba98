// GET /v1/models/{name}/versions/{version}/card: in the form that is asked for.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { accepts } from 'hono/accepts'
import { type HubEnv, mayTouchModel, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import { notFound, problems } from '../problem.ts'
import { numbered, VersionParams } from '../registry/parameters.ts'
import type { ModelCard } from './card.ts'
import { cardCycloneDx, cycloneDxType } from './cyclonedx.ts'
import { type CardFormat, cardFormats } from './formats.ts'
import { gatherCard } from './gather.ts'
import { cardMarkdown } from './markdown.ts'
import { cardJson } from './toolkit-json.ts'

const pretty = (document: unknown): string => `${JSON.stringify(document, null, 2)}\n`
const forms: Readonly<Record<CardFormat, { type: string; write: (card: ModelCard) => string }>> = {
  markdown: { type: 'text/markdown', write: cardMarkdown },
  json: { type: 'application/json', write: (card) => pretty(cardJson(card)) },
  cyclonedx: { type: cycloneDxType, write: (card) => pretty(cardCycloneDx(card)) },
}
const markdownType: string = forms.markdown.type
const bomType: string = forms.cyclonedx.type

const card = createRoute({
  method: 'get',
  path: '/v1/models/{name}/versions/{version}/card',
  summary: 'Its model card: Markdown, JSON (Model Card Toolkit) or a CycloneDX 1.6 bill of materials',
  description: 'By `format`, else by Accept, else Markdown.',
  ...scoped('viewer'),
  request: {
    params: VersionParams,
    query: z.object({ format: z.enum(cardFormats).optional() }),
  },
  responses: {
    200: {
      description: 'The card',
      content: {
        [markdownType]: { schema: z.string() },
        'application/json': { schema: z.looseObject({}) },
        [bomType]: { schema: z.looseObject({}) },
      },
    },
    ...problems(),
  },
})

export function modelCardRoutes({ database }: Pick<Hub, 'database'>): OpenAPIHono<HubEnv> {
  const routes = new OpenAPIHono<HubEnv>()
  return routes.openapi(card, async (c) => {
    mayTouchModel(c, c.req.valid('param').name)
    const { name, version } = await numbered(database, c.req.valid('param'))
    const found = await gatherCard(database, name, version)
    if (found === undefined) throw notFound('version', `${name}/${version}`)
    const supports = cardFormats.map((format) => forms[format].type)
    const accepted = accepts(c, { header: 'Accept', supports, default: forms.markdown.type })
    const format = c.req.valid('query').format ?? cardFormats.find((known) => forms[known].type === accepted)
    const { type, write } = forms[format ?? 'markdown']
    return new Response(write(found), {
      headers: { 'content-type': `${type}; charset=utf-8`, vary: 'accept', 'x-content-type-options': 'nosniff' },
    })
  })
}
