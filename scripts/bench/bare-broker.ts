// The limit of a broker: aedes with no guard and no database, which confirms every batch of reports to its device at once.
// Started by ingest.ts; says its port.

import { createServer } from 'node:net'
import { Hello, Reports } from '@roost/shared/protocol/messages.ts'
import { downTopic, parseUpTopic } from '@roost/shared/protocol/topics.ts'
import { decode, encode } from '@roost/shared/protocol/wire.ts'
import { Aedes } from 'aedes'

const aedes = await Aedes.createBroker({ concurrency: 0 })
aedes.on('publish', (packet, client) => {
  const said = parseUpTopic(packet.topic)
  if (client === null || said === undefined || typeof packet.payload === 'string') return
  if (said.kind === 'hello') {
    const hello = decode(Hello, packet.payload)
    if (hello.ok) confirm(said.device, hello.message.outbox.epoch, 0)
  }
  if (said.kind === 'reports') {
    const reports = decode(Reports, packet.payload)
    const last = reports.ok ? reports.message.records.at(-1)?.seq : undefined
    if (reports.ok && last !== undefined) confirm(said.device, reports.message.epoch, last)
  }
})

function confirm(device: string, epoch: string, seq: number): void {
  const payload = Buffer.from(encode({ epoch, seq }))
  const packet = {
    cmd: 'publish',
    topic: downTopic(device, 'ack'),
    payload,
    qos: 1,
    retain: false,
    dup: false,
  } as const
  aedes.publish(packet, (error) => {
    if (error) throw error
  })
}

const server = createServer({ noDelay: true }, aedes.handle)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : undefined)
})
process.on('disconnect', () => process.exit(0))
