// The limit of a wave: aedes with no guard, which publishes the chunks it is given once to whoever subscribed, one after
// the other. Started by wave.ts; says its port, publishes when it is told the chunks.

import { createServer } from 'node:net'
import { Aedes } from 'aedes'
import { z } from 'zod'

const Told = z.array(z.object({ topic: z.string(), payload: z.instanceof(Uint8Array) }))

const aedes = await Aedes.createBroker({ concurrency: 0 })
const server = createServer({ noDelay: true }, aedes.handle)
server.listen(0, '127.0.0.1', () => {
  const address = server.address()
  process.send?.(typeof address === 'object' ? address?.port : undefined)
})

process.on('message', (message) => {
  void publishAll(Told.parse(message))
})
process.on('disconnect', () => process.exit(0))

async function publishAll(chunks: z.infer<typeof Told>): Promise<void> {
  for (const { topic, payload } of chunks) {
    await new Promise<void>((resolve, reject) => {
      const packet = {
        cmd: 'publish',
        topic,
        payload: Buffer.from(payload),
        qos: 0,
        retain: false,
        dup: false,
      } as const
      aedes.publish(packet, (error) => (error ? reject(error) : resolve()))
    })
  }
}
