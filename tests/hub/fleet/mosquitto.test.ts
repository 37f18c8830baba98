// The fleet over a real Mosquitto instead of the embedded broker: P4 at its sockets, who is there, what a restart of
// either side costs. Where no Mosquitto is installed none of it is run, which is said.

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Command, type Want } from '@roost/shared/protocol/messages.ts'
import {
  chunkFilter,
  chunkTopic,
  downFilter,
  downKinds,
  downTopic,
  shardOf,
  upKinds,
  upTopic,
} from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import { describe, expect, onTestFinished, test } from 'vitest'
import { revokeDevice } from '../../../hub/fleet/devices.ts'
import type { Fleet } from '../../../hub/fleet/fleet.ts'
import { startMosquitto } from '../../../hub/fleet/mosquitto/broker.ts'
import { passwordHash } from '../../../hub/fleet/mosquitto/password.ts'
import type { Hub } from '../../../hub/hub.ts'
import { aMosquitto, type Mosquitto, mosquittoVersion } from '../../builders/mosquitto.ts'
import { asStarted } from '../a-hub.ts'
import { connected, outcomeOf, silent, until } from './a-broker.ts'
import {
  aFleet,
  aFleetHub,
  aHello,
  anEnrolledDevice,
  aRelease,
  type Enrolled,
  noReports,
  someDevices,
} from './a-fleet.ts'

console.info(mosquittoVersion ?? 'no mosquitto is installed: nothing of mosquitto.test.ts runs')

type Place = { broker: Mosquitto; hub: Hub; fleet: Fleet }

/** A Mosquitto that runs, and a fleet on it; both gone when the test ends. */
async function aPlace(options: Parameters<typeof aMosquitto>[0] = {}): Promise<Place> {
  const broker = await aMosquitto(options)
  onTestFinished(() => broker[Symbol.asyncDispose]())
  const hub = await aFleetHub({}, broker.environment)
  const fleet = await aFleet(hub)
  await broker.start()
  await fleet.accessChanged()
  return { broker, hub, fleet }
}

/** A device that is enrolled, and that the broker lets in. */
async function enrolled(place: Place, device: string): Promise<Enrolled> {
  const made = await anEnrolledDevice(place.hub, device)
  await place.fleet.accessChanged()
  await untilLetIn(place, made)
  return made
}

/** The hub waits some seconds for the broker to read its files: on a busy machine that may not be enough. */
const untilLetIn = (place: Pick<Place, 'broker'>, who: Enrolled): Promise<void> =>
  until(async () => {
    const client = aClient(place, who)
    const outcome = await outcomeOf(client)
    await client.endAsync(true)
    return outcome.connected
  })

/** Wants it until it is there, as devices do: what is sent before the broker knows who may hear it is lost. */
async function wantUntil(client: MqttClient, device: string, want: Want, isThere: () => boolean): Promise<void> {
  while (!isThere()) {
    await client.publishAsync(upTopic(device, 'want'), Buffer.from(encode(want)), { qos: 1 })
    for (let wait = 0; wait < 100 && !isThere(); wait += 1) await delay(20)
  }
}

function knock({ broker }: Pick<Place, 'broker'>, options: IClientOptions): MqttClient {
  const client = mqtt.connect(broker.url, { reconnectPeriod: 0, clean: true, ...options })
  client.on('error', () => undefined)
  onTestFinished(() => void client.end(true))
  return client
}

const aClient = (
  place: Pick<Place, 'broker'>,
  { device, secret }: Enrolled,
  options: IClientOptions = {},
): MqttClient => knock(place, { clientId: device, username: device, password: secret, ...options })

type Heard = { topic: string; payload: Buffer }

/** Connected and listening to what is said to it; says hello where it is asked to, as agents do. `heard` is all that ever
 *  comes. */
async function aDevice(
  place: Pick<Place, 'broker'>,
  who: Enrolled,
  { answers = true } = {},
): Promise<{ client: MqttClient; heard: Heard[] }> {
  const client = await connected(aClient(place, who))
  const heard: Heard[] = []
  client.on('message', (topic, payload) => {
    heard.push({ topic, payload })
    if (answers && commands([{ topic, payload }], who.device).some(({ kind }) => kind === 'hello-now')) {
      // the test may end, and the client with it, before the broker has confirmed an answer
      sayHello(client, who.device).catch(() => undefined)
    }
  })
  await client.subscribeAsync(downFilter(who.device), { qos: 1 })
  return { client, heard }
}

const sayHello = (client: MqttClient, device: string) =>
  client.publishAsync(upTopic(device, 'hello'), Buffer.from(encode(aHello())), { qos: 1 })

const commands = (heard: readonly Heard[], device: string): Command[] =>
  heard
    .filter(({ topic }) => topic === downTopic(device, 'command'))
    .map(({ payload }) => decode(Command, payload))
    .flatMap((decoded) => (decoded.ok ? [decoded.message] : []))

describe.runIf(mosquittoVersion !== undefined)('over a real Mosquitto', () => {
  test('whoever is not enrolled, has another secret or none, or takes another’s name does not come in', async () => {
    const place = await aPlace()
    const one = await enrolled(place, 'd-1')
    const two = await enrolled(place, 'd-2')
    const named = (clientId: string, username: string, password: string) => ({ clientId, username, password })
    const attempts: [string, IClientOptions][] = [
      ['a stranger', named('stranger', 'stranger', 'x')],
      ['another’s secret', named('d-1', 'd-1', two.secret)],
      ['no secret', { clientId: 'd-1', username: 'd-1' }],
      ['no name', { clientId: 'd-1' }],
      ['the hub’s name', named('roost_hub', 'roost_hub', one.secret)],
    ]
    for (const [what, options] of attempts) {
      expect(await outcomeOf(knock(place, options)), what).toMatchObject({ connected: false })
    }
    const { client } = await aDevice(place, one)
    await sayHello(client, 'd-1')
    await until(() => place.fleet.isConnected('d-1'))
    // whoever calls themselves as another ends only their own session
    const thief = await connected(aClient(place, two, { clientId: 'd-1' }))
    await sayHello(client, 'd-1')
    expect([client.connected, place.fleet.isConnected('d-1'), place.fleet.isConnected('d-2')]).toEqual([
      true,
      true,
      false,
    ])
    await thief.endAsync(true)
  })

  test('a device hears and says what is its own and nothing else, whatever it subscribes to or publishes', async () => {
    const place = await aPlace()
    const { hub, fleet } = place
    const wanted = await aRelease(hub, 'one', Buffer.from('wanted'))
    const other = await aRelease(hub, 'two', Buffer.from('other'))
    const [mine, theirs] = [await enrolled(place, 'mine'), await enrolled(place, 'theirs')]
    await fleet.desire([
      { device: 'mine', deployment: 'main', manifest: wanted.manifest, by: 'test' },
      { device: 'theirs', deployment: 'main', manifest: other.manifest, by: 'test' },
    ])
    await fleet.accessChanged()
    const victim = await aDevice(place, theirs)
    await sayHello(victim.client, 'theirs')
    await until(() => fleet.isConnected('theirs'))

    const attacker = await aDevice(place, mine)
    const filters = [
      '#',
      'roost/#',
      'roost/1/s/+/d/+/down/+',
      'roost/1/s/+/d/+/up/+',
      'roost/1/files/+',
      'roost/1/c/+/+',
      '$SYS/#',
    ]
    filters.push(
      downFilter('theirs'),
      chunkFilter(other.blob),
      chunkFilter(wanted.blob),
      `$share/g/${downFilter('theirs')}`,
    )
    filters.push(...upKinds.map((kind) => upTopic('theirs', kind)))
    for (const filter of filters) {
      await new Promise<void>((resolve) => attacker.client.subscribe(filter, { qos: 0 }, () => resolve()))
    }
    const lies: [string, Buffer][] = [
      ...upKinds.map((kind): [string, Buffer] => [upTopic('theirs', kind), Buffer.from(encode(aHello()))]),
      [upTopic('theirs', 'presence'), Buffer.from(encode({ state: 'gone' }))],
      ...downKinds.map((kind): [string, Buffer] => [downTopic('theirs', kind), Buffer.from('lie')]),
      [downTopic('mine', 'assign'), Buffer.from('lie')],
      [chunkTopic(wanted.blob, 0), Buffer.from('lie')],
      [chunkTopic(other.blob, 0), Buffer.from('lie')],
      ['roost/1/files/x', Buffer.from('lie')],
      [upTopic('mine', 'hello').replace(`/${shardOf('mine')}/`, '/300/'), Buffer.from(encode(aHello()))],
      ['$CONTROL/dynamic-security/v1', Buffer.from('{}')],
    ]
    for (const [topic, payload] of lies) await attacker.client.publishAsync(topic, payload, { qos: 1 })
    // a will is heard only where its device may speak
    const will = {
      topic: upTopic('theirs', 'presence'),
      payload: Buffer.from(encode({ state: 'gone' })),
      qos: 1 as const,
    }
    const dying = await connected(aClient(place, mine, { will }))
    dying.stream.destroy()
    await sayHello(victim.client, 'theirs')
    await fleet.command('theirs', { kind: 'report-now' })
    await until(() => commands(victim.heard, 'theirs').some(({ kind }) => kind === 'report-now'))
    expect(fleet.isConnected('theirs')).toBe(true)

    // its own words arrive still, and what is said to it
    const again = await aDevice(place, mine)
    for (const filter of filters) {
      await new Promise<void>((resolve) => again.client.subscribe(filter, { qos: 0 }, () => resolve()))
    }
    await victim.client.subscribeAsync(chunkFilter(other.blob))
    for (const [{ client, heard }, name, { blob }] of [
      [again, 'mine', wanted],
      [victim, 'theirs', other],
    ] as const) {
      const hasCome = () => heard.some(({ topic }) => topic === chunkTopic(blob, 0))
      await wantUntil(client, name, { blob, indices: [0] }, hasCome)
    }
    // what is said to another now, it would have heard before what is said to itself after that
    const reported = (heard: readonly Heard[], name: string) =>
      commands(heard, name).filter(({ kind }) => kind === 'report-now').length
    await fleet.command('theirs', { kind: 'report-now' })
    await until(() => reported(victim.heard, 'theirs') === 2)
    await fleet.command('mine', { kind: 'report-now' })
    await until(() => reported(again.heard, 'mine') === 1)
    const topics = new Set([...attacker.heard, ...again.heard].map(({ topic }) => topic))
    for (const topic of topics)
      expect([...downKinds.map((kind) => downTopic('mine', kind)), chunkTopic(wanted.blob, 0)]).toContain(topic)
    const all = [...attacker.heard, ...again.heard, ...victim.heard]
    expect(all.some(({ payload }) => payload.toString() === 'lie')).toBe(false)
  })

  test('who may read a blob can as soon as it is wanted there, while connected, and not when it no longer is', async () => {
    const place = await aPlace()
    const { hub, fleet } = place
    const { manifest, blob } = await aRelease(hub, 'one', Buffer.alloc(200_000, 7))
    const device = await enrolled(place, 'd-1')
    const { client, heard } = await aDevice(place, device)
    await sayHello(client, 'd-1')
    await client.subscribeAsync(chunkFilter(blob))
    const want = { blob, indices: [0, 1, 2, 3] }
    const chunksOf = (all: readonly Heard[]) => all.filter(({ topic }) => topic.startsWith('roost/1/c/'))
    const hasAll = (all: readonly Heard[]) => new Set(chunksOf(all).map(({ topic }) => topic)).size === 4
    await client.publishAsync(upTopic('d-1', 'want'), Buffer.from(encode(want)), { qos: 1 })
    await fleet.desire([{ device: 'd-1', deployment: 'main', manifest, by: 'test' }])
    await wantUntil(client, 'd-1', want, () => hasAll(heard))
    await fleet.desire([{ device: 'd-1', deployment: 'main', manifest: null, by: 'test' }])
    // a broker that lets in whoever came later has read that, too
    const second = await enrolled(place, 'd-2')
    const before = chunksOf(heard).length
    // another device’s want brings the chunk to whoever may hear it
    await fleet.desire([{ device: 'd-2', deployment: 'main', manifest, by: 'test' }])
    const other = await aDevice(place, second)
    await other.client.subscribeAsync(chunkFilter(blob))
    await wantUntil(other.client, 'd-2', want, () => hasAll(other.heard))
    await fleet.command('d-1', { kind: 'report-now' })
    await until(() => commands(heard, 'd-1').some(({ kind }) => kind === 'report-now'))
    expect([chunksOf(heard).length, client.connected]).toEqual([before, true])
  })

  test('a revoked device is cut off within seconds, and does not come back; the others notice nothing', async () => {
    const place = await aPlace()
    const { hub, fleet } = place
    const [bad, good] = [await enrolled(place, 'bad'), await enrolled(place, 'good')]
    const revoked = await aDevice(place, bad)
    const kept = await aDevice(place, good)
    for (const [client, name] of [
      [revoked.client, 'bad'],
      [kept.client, 'good'],
    ] as const)
      await sayHello(client, name)
    await until(() => fleet.isConnected('bad') && fleet.isConnected('good'))
    const cut = new Promise<void>((resolve) => revoked.client.once('close', () => resolve()))
    await hub.database.write([revokeDevice('bad', hub.clock())])
    fleet.disconnect('bad', 'revoked')
    expect(fleet.isConnected('bad')).toBe(false)
    await cut
    expect(await outcomeOf(aClient(place, bad))).toEqual({ connected: false, returnCode: 5 })
    expect([fleet.connectedDevices(), kept.client.connected]).toEqual([['good'], true])
  })

  test('a device that goes, politely or not, is gone', async () => {
    const place = await aPlace()
    const device = await enrolled(place, 'd-1')
    const will = { topic: upTopic('d-1', 'presence'), payload: Buffer.from(encode({ state: 'gone' })), qos: 1 as const }
    for (const leave of [
      (client: MqttClient) => client.stream.destroy(),
      (client: MqttClient) => {
        client.publish(will.topic, will.payload)
        client.end()
      },
    ]) {
      const client = await connected(aClient(place, device, { will }))
      await sayHello(client, 'd-1')
      await until(() => place.fleet.isConnected('d-1'))
      leave(client)
      await until(() => !place.fleet.isConnected('d-1'))
    }
  })

  test('a device whose will was lost is asked whether it is there, and is gone where nothing comes back', async () => {
    const broker = await aMosquitto()
    onTestFinished(() => broker[Symbol.asyncDispose]())
    const random = (length: number) => new Uint8Array(randomBytes(length))
    const gone: string[] = []
    const said: string[] = []
    let now = 0
    const names = ['answers', 'silent']
    const own = await startMosquitto({
      url: broker.url,
      folder: broker.folder,
      pidFile: broker.pidFile,
      brokerAuthority: undefined,
      readAdmitted: async () => names.map((device) => ({ device, password: passwordHash(device, random), blobs: [] })),
      onMessage: async (device) => void said.push(device),
      onConnect: () => undefined,
      onDisconnect: (device) => gone.push(device),
      clock: () => now,
      random,
      log: silent,
      // it looks as often as the shorter of them
      limits: { silentMs: 10_000, answerMs: 50 },
    })
    onTestFinished(() => own.close())
    await broker.start()
    await own.accessChanged()
    const place = { broker }
    for (const name of names) await untilLetIn(place, { device: name, secret: name })
    const answering = await aDevice(place, { device: 'answers', secret: 'answers' })
    const silentOne = await aDevice(place, { device: 'silent', secret: 'silent' }, { answers: false })
    await sayHello(answering.client, 'answers')
    await sayHello(silentOne.client, 'silent')
    await until(() => own.connectedDevices().length === 2)
    said.length = 0
    // far more than both limits together: the clock jumped ahead, and still nobody is gone who was not asked
    now += 3_600_000
    await until(() => said.includes('answers'))
    await until(() => commands(silentOne.heard, 'silent').some(({ kind }) => kind === 'hello-now'))
    expect(gone).toEqual([])
    now += 50
    await until(() => gone.length > 0)
    expect([gone, own.connectedDevices()]).toEqual([['silent'], ['answers']])
    // it is back with its next word
    await sayHello(silentOne.client, 'silent')
    await until(() => own.isConnected('silent'))
  })

  test('a broker that is killed and started again knows nothing, and the fleet is there again', async () => {
    const place = await aPlace()
    const { fleet, broker } = place
    const devices = [await enrolled(place, 'd-1'), await enrolled(place, 'd-2')]
    const before = await Promise.all(devices.map((one) => aDevice(place, one)))
    await Promise.all(before.map(({ client }, i) => sayHello(client, `d-${i + 1}`)))
    await until(() => fleet.connectedDevices().length === 2)
    await broker.kill()
    await until(() => fleet.connectedDevices().length === 0)
    // says nothing, keeps nothing
    await fleet.command('d-1', { kind: 'report-now' })
    await broker.start()
    const after = await Promise.all(devices.map((one) => aDevice(place, one)))
    await Promise.all(after.map(({ client }, i) => sayHello(client, `d-${i + 1}`)))
    await until(() => fleet.connectedDevices().length === 2)
    await until(() =>
      after.every(({ heard }, i) => heard.some(({ topic }) => topic === downTopic(`d-${i + 1}`, 'assign'))),
    )
  })

  test('a hub that comes back asks everybody who is connected, and only who answers is there', async () => {
    const place = await aPlace()
    const { hub, broker } = place
    const names = ['d-1', 'd-2', 'd-3']
    const made = await someDevices(hub, names)
    await place.fleet.accessChanged()
    for (const one of made) await untilLetIn(place, one)
    const devices = await Promise.all(made.map((one) => aDevice(place, one, { answers: one.device !== 'd-2' })))
    await Promise.all(devices.map(({ client }, i) => sayHello(client, names[i] ?? '')))
    await until(() => place.fleet.connectedDevices().length === 3)
    await place.fleet.close()
    // one answers, one does not, one is not there any more
    devices[2]?.client.end(true)
    const second = await aFleet(asStarted(hub), noReports)
    await until(() => second.isConnected('d-1'))
    expect(second.connectedDevices()).toEqual(['d-1'])
    await until(() => commands(devices[1]?.heard ?? [], 'd-2').length > 0)
    expect(devices[1]?.client.connected, 'the hub’s new password costs no device its connection').toBe(true)
    expect(broker.log()).not.toMatch(/Error/)
  })

  test('a Mosquitto that the hub cannot signal is made to read by run.sh', async () => {
    const place = await aPlace({ signalled: false })
    const one = await enrolled(place, 'd-1')
    await until(async () => (await outcomeOf(aClient(place, one))).connected)
    const { client } = await aDevice(place, one)
    const cut = new Promise<void>((resolve) => client.once('close', () => resolve()))
    await place.hub.database.write([revokeDevice('d-1', 1)])
    place.fleet.disconnect('d-1', 'revoked')
    await cut
    expect(await outcomeOf(aClient(place, one))).toMatchObject({ connected: false })
  })
})
