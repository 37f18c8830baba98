// The fleet's figures for Prometheus, read when they are scraped.

import { Counter, Gauge, type Registry } from 'prom-client'
import type { Broker } from './broker.ts'
import type { ChunkServer } from './chunks.ts'
import type { Session } from './session.ts'

export function addFleetMetrics(
  registry: Registry,
  broker: Pick<Broker, 'connectedDevices' | 'refusals'>,
  session: Pick<Session, 'dropped'>,
  chunks: Pick<ChunkServer, 'counts'>,
): void {
  const registers = [registry]
  new Gauge({
    name: 'roost_devices_connected',
    help: 'Devices connected to this hub',
    registers,
    collect() {
      this.set(broker.connectedDevices().length)
    },
  })
  new Counter({
    name: 'roost_mqtt_refusals_total',
    help: 'Connections, subscriptions and messages the broker refused, by reason',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const [reason, count] of broker.refusals()) this.inc({ reason }, count)
    },
  })
  new Counter({
    name: 'roost_messages_dropped_total',
    help: 'Messages of devices that were dropped, by reason',
    labelNames: ['reason'],
    registers,
    collect() {
      this.reset()
      for (const [reason, count] of session.dropped()) this.inc({ reason }, count)
    },
  })
  new Counter({
    name: 'roost_chunks_total',
    help: 'Chunks read from the blob store, and published',
    labelNames: ['step'],
    registers,
    collect() {
      const { read, published } = chunks.counts()
      this.reset()
      this.inc({ step: 'read' }, read)
      this.inc({ step: 'published' }, published)
    },
  })
}
