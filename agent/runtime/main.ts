// The runtime process: started by the control process, which talks to it over Node's IPC channel.
// Everything here is wiring to the operating system; what it does is in runtime.ts.

import { randomBytes } from 'node:crypto'
import agent from '../package.json' with { type: 'json' }
import { ControlMessage, type RuntimeMessage } from './messages.ts'
// Before `up`: what the library itself needs must be there when control measures the bare process.
import 'onnxruntime-node'
import { createRuntime } from './runtime.ts'

const take = createRuntime({
  version: agent.version,
  send,
  leave: () => process.exit(0),
  log: (line) => process.stderr.write(`${line}\n`),
  steadyMs: () => performance.now(),
  wallMs: () => Date.now(),
  resources: () => ({ rssBytes: process.memoryUsage.rss(), cpuMs: cpuMs() }),
  cpuMs,
  random: (size) => randomBytes(size),
})

function cpuMs(): number {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

function send(message: RuntimeMessage): Promise<void> {
  return new Promise((resolve, reject) => {
    if (process.send === undefined) throw new TypeError('the runtime is started by the control process, not by hand')
    process.send(message, undefined, {}, (error) => (error === null ? resolve() : reject(error)))
  })
}

process.on('message', (message, socket) => {
  // The socket is a bare listening handle (serving-socket.ts), for which Node has no type.
  take(ControlMessage.parse(message), typeof socket === 'object' && socket !== null ? socket : undefined)
})

// Without control nobody could stop this process, and its successor could not have the port.
process.on('disconnect', () => process.exit(0))

// A service manager or a terminal tells these to all processes at once; control then says `stop`.
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
  process.on(signal, () => {
    // Waiting for control's word.
  })
}

await send({ kind: 'up' })
