// What can be read of a rollout's evidence: each look, all that a decision followed from, and the story in sentences.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type HubEnv, scoped } from '../../governance/access.ts'
import { namesOfTokens, withNames } from '../../governance/token-names.ts'
import type { Hub } from '../../hub.ts'
import { notFound, Problem, problems } from '../../problem.ts'
import { addressedRollout, json, rolloutParams } from '../addressed.ts'
import { readRollout, stageName, waitsOf } from '../documents.ts'
import { failureDetails } from '../failure-details.ts'
import type { FleetLink } from '../looks.ts'
import { decisionsOf, runningIn, stagesOf } from '../store.ts'
import { drawsAt, GateDraws } from './draws.ts'
import { Explanation, explain } from './explain.ts'
import { StageInputs, StageVerdict } from './judge.ts'
import { inputsOfLook, looksOf } from './looks.ts'
import { suspectsOf } from './suspects.ts'

export const Look = z
  .object({
    number: z.number().int(),
    stage: z.string(),
    at: z.iso.datetime(),
    verdict: StageVerdict,
  })
  .openapi('RolloutLook')
export const DecisionInputs = z.object({ verdict: StageVerdict, inputs: StageInputs }).openapi('DecisionInputs')

const looks = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}/looks',
  summary: 'Every look at a stage, with its verdict',
  ...scoped('viewer'),
  request: { params: rolloutParams },
  responses: { 200: json(z.object({ looks: z.array(Look) }), 'Its looks, oldest first'), ...problems() },
})
const draws = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}/looks/{number}/gates/{place}/draws',
  summary: 'The other draws that a gate was judged by at a look, as a histogram with the real one on an edge',
  ...scoped('viewer'),
  request: {
    params: rolloutParams.extend({
      number: z.coerce.number().int().positive(),
      place: z.coerce.number().int().min(0).openapi({ description: "in the verdict's gates, from 0" }),
    }),
  },
  responses: { 200: json(GateDraws, 'Its draws, made again from what is stored of the look'), ...problems() },
})
const inputs = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}/decisions/{seq}/inputs',
  summary: 'All that a decision about a stage followed from, device by device',
  ...scoped('viewer'),
  request: { params: rolloutParams.extend({ seq: z.coerce.number().int().positive() }) },
  responses: { 200: json(DecisionInputs, 'Its inputs'), ...problems() },
})
const explanation = createRoute({
  method: 'get',
  path: '/v1/rollouts/{id}/explanation',
  summary: 'The story of the rollout in sentences, with the numbers',
  ...scoped('viewer'),
  request: { params: rolloutParams },
  responses: { 200: json(Explanation, 'The story'), ...problems() },
})

/** Draws kept in memory, half a kilobyte each. */
const rememberedMax = 500

const Judged = z.object({ verdict: StageVerdict })

export function evidenceRoutes(hub: Hub, fleet: Pick<FleetLink, 'isConnected'>): OpenAPIHono<HubEnv> {
  const { database, clock } = hub
  const known = (c: Context<HubEnv>, id: string) => addressedRollout(c, database, id)
  // they never change, and a second of work where devices are ten thousand
  const remembered = new Map<string, GateDraws>()
  const remember = (key: string, draws: GateDraws) => {
    if (remembered.size >= rememberedMax) remembered.clear()
    remembered.set(key, draws)
  }
  return new OpenAPIHono<HubEnv>()
    .openapi(looks, async (c) => {
      const { id } = await known(c, c.req.valid('param').id)
      const rows = await looksOf(database, id)
      const stages = await stagesOf(database, id)
      const shown = rows.map(({ number, stage, at, verdict }) => ({
        number,
        stage: stageName(stages, stage),
        at: new Date(at).toISOString(),
        verdict,
      }))
      return c.json({ looks: shown }, 200)
    })
    .openapi(draws, async (c) => {
      const { id, number, place } = c.req.valid('param')
      await known(c, id)
      const key = `${id}/${number}/${place}`
      const found = remembered.get(key) ?? (await drawsAt(database, id, number, place))
      if (typeof found === 'object') remember(key, found)
      if (found === undefined) throw notFound('gate at a look', `${number}/${place}`)
      if (typeof found === 'string') throw new Problem(404, 'no-draws', 'Nothing was drawn for this gate', found)
      return c.json(found, 200)
    })
    .openapi(inputs, async (c) => {
      const { id, seq } = c.req.valid('param')
      await known(c, id)
      const decision = (await decisionsOf(database, id)).find((row) => row.seq === seq)
      if (decision === undefined) throw notFound('decision', String(seq))
      const judged = Judged.safeParse(decision.detail)
      const number = judged.success ? judged.data.verdict.look?.record : undefined
      const found = number === undefined ? undefined : await inputsOfLook(database, id, number)
      if (!judged.success || found === undefined) {
        const detail = `decision ${seq} (${decision.action}) followed from no verdict; those that did are about a stage that passed, failed or stayed undecided`
        throw new Problem(404, 'no-inputs', 'Nothing was judged for this decision', detail)
      }
      return c.json({ verdict: judged.data.verdict, inputs: found }, 200)
    })
    .openapi(explanation, async (c) => {
      const row = await known(c, c.req.valid('param').id)
      const { stages, members, view } = await readRollout(database, row, fleet.isConnected, clock())
      const story = {
        row,
        stages,
        members,
        decisions: await decisionsOf(database, row.id),
        looks: await looksOf(database, row.id),
        suspects: await suspectsOf(database, row.id),
        details: await failureDetails(database, row, clock()),
        running: await runningIn(database, row.id),
        waits: await waitsOf(database, row, view, clock()),
      }
      const { rollout, sentences } = explain(story)
      const names = await namesOfTokens(
        database,
        sentences.map(({ text }) => text),
      )
      return c.json(
        { rollout, sentences: sentences.map(({ text, ...rest }) => ({ ...rest, text: withNames(text, names) })) },
        200,
      )
    })
}
