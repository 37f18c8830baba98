// The hub's own connection to a broker of somebody else: one that misbehaves is left and tried again until it behaves.

import mqttPacket from 'mqtt-packet'
import { pino } from 'pino'
import { expect, onTestFinished, test } from 'vitest'
import { openLink } from '../../../hub/fleet/mosquitto/link.ts'
import { aScriptedBroker, connack, type Script, wellBehaved } from '../../agent/link/a-link.ts'
import { until } from './a-broker.ts'

const endless = Buffer.from([0x30, 0xff, 0xff, 0xff, 0x7f])

/** A link to whoever listens there, with a short patience; closed when the test ends. */
function aLinkTo(port: number) {
  const states: string[] = []
  const link = openLink({
    url: `mqtt://127.0.0.1:${port}`,
    ca: undefined,
    user: 'hub',
    password: 'secret',
    filters: ['up/#', 'files/#'],
    onUp: () => states.push('up'),
    onDown: () => states.push('down'),
    onMessage: async () => undefined,
    onViolation: () => states.push('violation'),
    log: pino({ level: 'silent' }),
    deadlineMs: 500,
  })
  onTestFinished(() => link.close())
  return { link, states }
}

const onSubscribe =
  (answer: (messageId: number) => Uint8Array): Script =>
  (packet, socket) => {
    if (packet.cmd === 'connect') socket.write(connack())
    if (packet.cmd === 'subscribe') socket.write(answer(packet.messageId ?? 0))
  }
const silentAfterConnect: Script = (packet, socket) => {
  if (packet.cmd === 'connect') socket.write(connack())
}
const granting = (granted: number[]) =>
  onSubscribe((messageId) => mqttPacket.generate({ cmd: 'suback', messageId, granted }))

test.each<[string, Script, string[]]>([
  ['never answers CONNECT', () => undefined, []],
  ['cuts at CONNECT', (_, socket) => socket.destroy(), []],
  ['refuses the password', (packet, socket) => void (packet.cmd === 'connect' && socket.write(connack(5))), []],
  ['never answers SUBSCRIBE', silentAfterConnect, []],
  ['refuses a topic', granting([1, 128]), []],
  ['grants fewer topics than asked for', granting([1]), []],
  ['announces 256 MiB', onSubscribe(() => endless), ['violation']],
])('a broker that %s is left and tried again until it behaves', async (_, script, told) => {
  const broker = await aScriptedBroker(script)
  const { link, states } = aLinkTo(broker.port)
  await until(() => broker.counts().connections >= 3)
  expect([...new Set(states)]).toEqual(told)
  expect(await link.publish('down/x', Buffer.from('x'), 1)).toBe(false)
  broker.follow(wellBehaved)
  await until(() => states.at(-1) === 'up')
  // busy machines may miss the short deadline once
  await until(() => link.publish('down/x', Buffer.from('x'), 1))
  broker.cut()
  await until(() => states.slice(-2).join() === 'down,up')
})

test('closed while its topics are unanswered it is gone, and does not come back', async () => {
  const broker = await aScriptedBroker(silentAfterConnect)
  const { link } = aLinkTo(broker.port)
  await until(() => broker.counts().connections >= 1)
  await link.close()
  await until(() => broker.counts().open === 0)
  const { connections } = broker.counts()
  await new Promise((resolve) => setTimeout(resolve, 300))
  expect(broker.counts().connections).toBe(connections)
})
