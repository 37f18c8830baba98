// Which application asks which gateway, and with what: the readings of its mote, at a steady rate, until it is stopped.

import { type Application, startApplication } from './application.ts'
import type { Fleet } from './fleet.ts'
import { gateways, questionsOf } from './gateways.ts'
import type { Scene } from './story.ts'
import { model } from './versions.ts'
import { DemoError } from './waiting.ts'

export type Asking = { application: Application; perSecond: number }

const perSecond = 100
const connections = 4

/** @throws DemoError where the gateway has no agent running */
export function startAsking(scene: Scene, fleet: Fleet, gateway: string): Asking {
  const { v1, v2, v3 } = scene.detectors
  const id = gateways.find(({ name }) => name === gateway)?.mote
  const mote = scene.motes.find((mote) => mote.id === id)
  const agent = fleet.agents.get(gateway)
  if (mote === undefined || agent === undefined) throw new DemoError(`nobody can be asked at ${gateway}`)
  const versions = new Map([
    ['1', v1],
    ['2', v2],
    ['3', v3],
  ])
  const questions = questionsOf(mote, versions)
  const application = startApplication({ url: agent.servingUrl, model, questions, perSecond, connections })
  scene.opened.defer(() => application.abandon())
  const asking = { application, perSecond }
  fleet.asking.set(gateway, asking)
  return asking
}
