// A process with nothing but a link in it, told to close in one state or another: it must end by itself.
// argv: port, state ('up', 'waiting', 'connecting', 'greeting', 'publishing')

import { setTimeout as delay } from 'node:timers/promises'
import { Link } from '@roost/agent/link/link.ts'

const [port = '', state = ''] = process.argv.slice(2)
const nothing = () => undefined
let isUp = false
let isConnecting = false
const link = new Link(
  {
    url: `mqtt://127.0.0.1:${port}`,
    device: 'd-1',
    secret: 'secret of d-1',
    ca: undefined,
    // waiting: so long that the process cannot end in time unless the wait is given up
    backoff: state === 'waiting' ? { minMs: 3_600_000, maxMs: 3_600_000 } : { minMs: 1, maxMs: 10 },
    deadlineMs: 1_000,
    connectTimeoutMs: 3_600_000,
    now: () => performance.now(),
    random: (length) => new Uint8Array(length).fill(128),
    log: {
      debug: () => {
        isConnecting = true
      },
      info: nothing,
      warn: nothing,
    },
    freshness: { helloIntervalMs: 3_600_000, helloRetryMs: 3_600_000, staleAfterMs: 3_600_000 },
    alreadyWithoutMs: 0,
    describe: () => ({
      agent: '0',
      profile: 'generic-x64',
      rootVersion: 1,
      generation: 0,
      slots: [],
      denied: [],
      outbox: { epoch: '0123456789abcdef', head: 0, tail: 0 },
    }),
  },
  {
    onAssign: nothing,
    onAck: nothing,
    onCommand: nothing,
    onOther: nothing,
    onUp: () => {
      isUp = true
    },
    onDown: nothing,
    onStale: nothing,
  },
)
link.start()
if (state === 'waiting') while (!isConnecting) await delay(5)
else if (state === 'up' || state === 'publishing') while (!isUp) await delay(5)
// connecting, greeting: the other side tells when it has gone that far
else await new Promise((resolve) => process.stdin.once('data', resolve))
if (state === 'publishing') void link.publish('reports', Buffer.alloc(100_000), 1)
process.stdin.destroy()
await link.close()
const left = process.getActiveResourcesInfo().filter((name) => /^(Timeout|TCP)/.test(name))
process.stdout.write(`closed ${JSON.stringify(left)}\n`)
