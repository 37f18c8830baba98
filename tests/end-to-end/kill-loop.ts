// Agents and their hub killed with -9 again and again while applications ask and new versions are shipped; and then the
// books: what came back, what the applications got, what the hub counted. For the tests and for hours of soaking.

import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import {
  aFleet,
  type Fleet,
  type Gateway,
  ready,
  register,
  untilAgent,
  untilRuns,
  untilShipped,
  wish,
} from './a-fleet.ts'
import { startApplication } from './an-application.ts'
import { type Book, balance, type Device } from './balance.ts'
import { aVersion, chunkBytes } from './versions.ts'
import { seededChance, until } from './waiting.ts'

export type KillLoopOptions = {
  seed: number
  gateways: number
  /** Of each agent. */
  killsEach: number
  hubKills: number
  say: (text: string) => void
}

export type KillLoopResult = {
  agentKills: number
  hubKills: number
  /** Kills by the moment that was waited for. */
  moments: Record<string, number>
} & Book

const versionBytes = 8 * chunkBytes

/** @throws Error where a device does not come back, answers wrongly, ends with another version than wished, or the books differ */
export async function runKillLoop(options: KillLoopOptions): Promise<KillLoopResult> {
  const { seed, say } = options
  await using fleet = await aFleet()
  await using opened = new AsyncDisposableStack()
  const shop = openShop(fleet)
  const devices: Device[] = []
  for (let i = 0; i < options.gateways; i++) {
    const gateway = await fleet.enrol(`gateway-${i}`)
    devices.push({ gateway, application: await firstVersion(fleet, shop, gateway, opened), lives: [] })
  }
  const moments: Record<string, number> = {}
  let killed = 0
  const loops = devices.map(async (device, i) => {
    const chance = seededChance(seed + i)
    for (let kill = 1; kill <= options.killsEach; kill++) {
      const moment = await live(device, shop, chance)
      moments[moment] = (moments[moment] ?? 0) + 1
      killed += 1
      if (killed % 50 === 0) say(progressOf(killed, options, devices))
    }
  })
  // where one failed, nobody waits for the rest
  let failed = false
  const share = () => (failed ? Number.POSITIVE_INFINITY : killed / (options.gateways * options.killsEach))
  for (const loop of loops) {
    loop.catch(() => {
      failed = true
    })
  }
  const [hubKills] = await Promise.all([
    killHubs(fleet, shop, seededChance(seed - 1), options.hubKills, share),
    ...loops,
  ])
  say(`${killed} kills of agents, ${hubKills} of the hub; now all shall run what is wished`)
  await settle(fleet, shop, devices)
  const books = await Promise.all(devices.map((device) => balance(fleet.operator(), device)))
  const sum = (of: (book: Book) => number) => books.reduce((total, book) => total + of(book), 0)
  return {
    agentKills: killed,
    hubKills,
    moments,
    answered: sum(({ answered }) => answered),
    counted: sum(({ counted }) => counted),
    interrupted: sum(({ interrupted }) => interrupted),
    lost: sum(({ lost }) => lost),
    underWay: sum(({ underWay }) => underWay),
    lostMs: Math.max(...books.map(({ lostMs }) => lostMs)),
  }
}

type Shop = {
  /** Registers a version that nobody has seen and wishes it for the device. */
  ship: (gateway: Gateway) => Promise<number>
  /** Nobody kills the hub meanwhile. */
  undisturbed: <T>(work: () => Promise<T>) => Promise<T>
}

function openShop(fleet: Fleet): Shop {
  let versions = 0
  let turn: Promise<unknown> = Promise.resolve()
  const undisturbed = <T>(work: () => Promise<T>): Promise<T> => {
    const mine = turn.then(work)
    turn = mine.catch(() => undefined)
    return mine
  }
  return {
    undisturbed,
    ship: (gateway) =>
      undisturbed(async () => {
        const onnx = aVersion(versions + 1, versionBytes)
        const { version } = await register(fleet.operator(), onnx, { metadata: { window: { seconds: 4 } } })
        versions = version
        await wish(fleet.operator(), gateway.name, version)
        return version
      }),
  }
}

async function firstVersion(fleet: Fleet, shop: Shop, gateway: Gateway, opened: AsyncDisposableStack) {
  const agent = await ready(gateway.start())
  await untilRuns(fleet.operator(), gateway.name, await shop.ship(gateway))
  const code = await agent.stop()
  if (code !== 0) throw new Error(`the agent ended with ${code}:\n${agent.output()}`)
  return opened.use(startApplication({ url: gateway.servingUrl, connections: 2, pauseMs: 10 }))
}

/** Between two lives of an agent: every answer of the one before has been read, and that in an earlier millisecond. */
async function between({ application }: Device): Promise<void> {
  await application.settled()
  await delay(2)
}

/** One life of an agent, ended at a moment drawn by chance. @returns what was waited for */
async function live(device: Device, shop: Shop, chance: () => number): Promise<string> {
  const { gateway, application, lives } = device
  await between(device)
  const startedMs = Date.now()
  const download = ['mqtt', 'http', 'auto'][Math.floor(chance() * 3)] ?? 'auto'
  const agent = gateway.start({ environment: { ROOST_AGENT_DOWNLOAD: download } })
  const answersBefore = application.answers.length
  const moment = drawMoment(chance)
  if ('event' in moment) {
    await shop.ship(gateway)
    await untilAgent(`${gateway.name}: ${moment.event}`, agent, () => agent.logged(moment.event).length > 0)
  }
  if ('answers' in moment) {
    const answers = () => application.answers.length - answersBefore
    await untilAgent(`${gateway.name}: ${moment.answers} answers`, agent, () => answers() >= moment.answers)
  }
  await delay(moment.waitMs)
  if (!agent.isRunning()) throw new Error(`the agent of ${gateway.name} ended by itself:\n${agent.output()}`)
  await agent.kill()
  lives.push({ startedMs, endedMs: Date.now() })
  const bad = application.failures.find(({ kind }) => kind === 'status' || kind === 'wrong')
  if (bad !== undefined) throw new Error(`${gateway.name} answered ${bad.kind}: ${bad.text}\n${agent.output()}`)
  return 'event' in moment ? moment.event : 'answers' in moment ? 'serving' : 'starting'
}

/** After a while; after so many answers; after something that a new version makes the agent do: never later than a moment. */
type Moment = { waitMs: number } | { answers: number; waitMs: number } | { event: string; waitMs: number }

const shares = { starting: 0.25, serving: 0.45 }
const startingMsMax = 2_000
const answersMax = 150
const events = ['assigned', 'fetched', 'activating', 'probation_passed'] as const
const afterEventMsMax = 300

function drawMoment(chance: () => number): Moment {
  const drawn = chance()
  const shade = chance()
  const waitMs = chance() * afterEventMsMax
  if (drawn < shares.starting) return { waitMs: shade * startingMsMax }
  if (drawn < shares.starting + shares.serving) return { answers: 1 + Math.floor(shade * answersMax), waitMs: 0 }
  return { event: events[Math.floor(shade * events.length)] ?? 'assigned', waitMs }
}

const hubLivesMsMax = 1_500

/** Spread over the kills of the agents; `share` says how many of those are done. */
async function killHubs(fleet: Fleet, shop: Shop, chance: () => number, kills: number, share: () => number) {
  for (let kill = 0; kill < kills; kill++) {
    while (share() < kill / kills) await delay(50)
    await delay(chance() * hubLivesMsMax)
    if (share() === Number.POSITIVE_INFINITY) break
    await shop.undisturbed(async () => {
      await fleet.hub().kill()
      await fleet.startHub()
    })
  }
  return kills
}

/** A last version, undisturbed; then everything that is on the devices goes to the hub. */
async function settle(fleet: Fleet, shop: Shop, devices: readonly Device[]): Promise<void> {
  await Promise.all(
    devices.map(async (device) => {
      const { gateway, application, lives } = device
      await between(device)
      const version = await shop.ship(gateway)
      const startedMs = Date.now()
      const agent = await ready(gateway.start())
      await untilRuns(fleet.operator(), gateway.name, version)
      await until('the last version answers', () => application.answers.at(-1)?.version === version)
      await application.stop()
      const code = await agent.stop()
      lives.push({ startedMs, endedMs: Date.now() })
      if (code !== 0) throw new Error(`the agent ended with ${code}:\n${agent.output()}`)
      const last = await ready(gateway.start())
      await untilShipped(gateway, Date.now())
      await last.stop()
      const left = await readdir(join(gateway.folder, 'work'))
      if (left.length > 0) throw new Error(`${gateway.name}: the kills left ${left} behind`)
    }),
  )
}

function progressOf(killed: number, { gateways, killsEach }: KillLoopOptions, devices: readonly Device[]): string {
  const answered = devices.reduce((sum, { application }) => sum + application.answers.length, 0)
  return `${killed} of ${gateways * killsEach} kills, ${answered} answers`
}
