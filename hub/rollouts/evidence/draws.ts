// The draws behind a verdict, made once more from its stored inputs with the same seed: for the picture, and for whoever
// wants to count them again. Nothing of it is stored.

import { z } from '@hono/zod-openapi'
import type { Reader } from '../../storage/database.ts'
import { findingOf } from '../gates/findings.ts'
import { DrawPicture, drawPicture } from '../gates/picture.ts'
import { pValues } from '../gates/tested.ts'
import { GateVerdict } from '../gates/verdict.ts'
import { gateSeed, type StageInputs } from './judge.ts'
import { inputsOfLook, looksOf } from './looks.ts'

const Probability = z.object({ bad: z.number(), good: z.number() })

export const GateDraws = z
  .object({
    /** The look at which the gate was judged so: an earlier one where what it said then stood at the one asked for. */
    look: z.number().int(),
    label: z.string(),
    method: GateVerdict.shape.method,
    /** Other draws made, and how many look at least as bad and at least as good as the real one at the margin. */
    draws: z.number().int(),
    asBad: z.number().int(),
    asGood: z.number().int(),
    /** Of what was seen at the margin, or worse, and of that or better: what the verdict goes by. For shares the larger of
     *  what the draws say, and counting alone. */
    p: Probability,
    picture: DrawPicture,
  })
  .openapi('GateDraws')
export type GateDraws = z.infer<typeof GateDraws>

/** @param place of the gate in the look's verdict, from 0
 *  @returns undefined where there is no such look or gate; a sentence where nothing was drawn for it */
export async function drawsAt(
  reader: Reader,
  rollout: string,
  number: number,
  place: number,
): Promise<GateDraws | string | undefined> {
  const looks = await looksOf(reader, rollout)
  const asked = looks.find((look) => look.number === number)
  const verdict = asked?.verdict.gates[place]
  if (asked === undefined || verdict === undefined) return undefined
  if (verdict.method === 'none' || verdict.method === 'counts') return verdict.sentence
  const before = looks.filter(
    (look) => look.stage === asked.stage && look.opening === asked.opening && look.number <= number,
  )
  for (const look of before.toReversed()) {
    const inputs = await inputsOfLook(reader, rollout, look.number)
    const draws = inputs === undefined ? undefined : drawsOf(inputs, place)
    if (draws !== undefined) return draws
  }
  return 'the inputs of this look are not kept'
}

/** The draws of one gate at one look; undefined where it was not looked at then. Pure. */
export function drawsOf(inputs: StageInputs, place: number): GateDraws | string | undefined {
  const { context, look, gates } = inputs
  const { gate, evidence, before = null, moved = null } = gates[place] ?? {}
  if (gate === undefined || gate.metric === 'installation' || evidence?.kind !== 'comparison') return undefined
  const at = { number: look.number, fraction: look.fraction, before: before ?? undefined, moved }
  const finding = findingOf(gate, evidence, at, context, gateSeed(inputs, place))
  if (typeof finding === 'string') return finding
  const { tested, margin, scale, method } = finding
  return {
    look: look.record,
    label: scale.label,
    method,
    draws: tested.draws,
    ...tested.beside(margin),
    p: pValues(tested, margin),
    picture: drawPicture(tested.standing(margin)),
  }
}
