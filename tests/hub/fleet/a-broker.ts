// Builders for the broker's tests: a broker with a few devices, honest clients, and raw sockets that are not.

import { connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt'
import pino from 'pino'
import { onTestFinished } from 'vitest'
import { type Broker, type BrokerOptions, startBroker } from '../../../hub/fleet/broker.ts'

/** What ends a device that is slow is not what most tests are about: a busy machine may stand still for as long. */
export const patient = { connectTimeoutMs: 120_000, drainTimeoutMs: 120_000 }

export const silent = pino({ level: 'silent' })
export const secretOf = (device: string) => `secret of ${device}`

/** A broker that believes `secretOf`; closed when the test ends. */
export async function aBroker(options: Partial<BrokerOptions> = {}): Promise<Broker> {
  const broker = await startBroker({
    listen: { tcp: { host: '127.0.0.1', port: 0 } },
    authenticate: async (device, secret) => secret === secretOf(device),
    mayReadBlob: async () => false,
    onMessage: async () => undefined,
    onConnect: () => undefined,
    onDisconnect: () => undefined,
    log: silent,
    ...options,
    limits: { ...patient, ...options.limits },
  })
  onTestFinished(() => broker.close())
  return broker
}

export type Ports = Pick<Broker, 'ports'>

export const tcpUrl = (broker: Ports) => `mqtt://127.0.0.1:${broker.ports.tcp}`

/** A device's client, with the right name and secret unless told otherwise; it does not reconnect. */
export function aClient(broker: Ports, device: string, options: IClientOptions & { url?: string } = {}): MqttClient {
  const { url = tcpUrl(broker), ...rest } = options
  const client = mqtt.connect(url, {
    clientId: device,
    username: device,
    password: secretOf(device),
    reconnectPeriod: 0,
    connectTimeout: patient.connectTimeoutMs,
    clean: true,
    ...rest,
  })
  client.on('error', () => undefined)
  onTestFinished(() => {
    client.end(true)
  })
  return client
}

export type Outcome = { connected: true } | { connected: false; returnCode: number | undefined }

/** How a connection attempt ends. */
export function outcomeOf(client: MqttClient): Promise<Outcome> {
  return new Promise((resolve) => {
    client.once('connect', () => resolve({ connected: true }))
    client.once('error', (error) => {
      resolve({
        connected: false,
        returnCode: 'code' in error && typeof error.code === 'number' ? error.code : undefined,
      })
    })
    client.once('close', () => resolve({ connected: false, returnCode: undefined }))
  })
}

export async function connected(client: MqttClient): Promise<MqttClient> {
  const outcome = await outcomeOf(client)
  if (!outcome.connected) throw new Error(`could not connect, return code ${outcome.returnCode}`)
  return client
}

export const closed = (stream: Duplex | MqttClient): Promise<void> =>
  new Promise((resolve) => {
    stream.on('error', () => undefined)
    stream.once('close', () => resolve())
  })

/** A bare TCP connection to the broker. */
export function aSocket(broker: Ports, port = broker.ports.tcp): Promise<Socket> {
  const socket = connect({ host: '127.0.0.1', port: port ?? 0 })
  onTestFinished(() => {
    socket.destroy()
  })
  return new Promise((resolve, reject) => {
    socket.once('error', reject)
    socket.once('connect', () => {
      socket.off('error', reject)
      socket.on('error', () => undefined)
      resolve(socket)
    })
  })
}

/** Waits until `condition` holds; the test's own time limit ends it otherwise. */
export async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await condition())) await new Promise((resolve) => setTimeout(resolve, 5))
}
