// A process that appends as fast as it can until it is killed: `node appending-process.ts FOLDER FIRST_NUMBER`.
// Tells on stdout, a line each, what it may rely on: `window FROM INFERENCES` and `event NUMBER` are durable,
// `open FROM INFERENCES` is in a checkpoint. It never ends by itself.

import { OpenWindows } from '@roost/agent/outbox/open-windows.ts'
import { Outbox } from '@roost/agent/outbox/outbox.ts'
import type { WindowReport } from '@roost/shared/protocol/records.ts'
import { pino } from 'pino'
import { aWindow } from '../../builders/windows.ts'

const [folder = '', first = '1'] = process.argv.slice(2)
/** Appended and not durable: more would only measure the queue. */
const underWayMax = 300
/** With more of them, and those taken up from the life before, windows would become coarser, as they do while a disk takes nothing. */
const windowsUnderWayMax = 16
const log = pino({ level: 'silent' })

const outbox = await Outbox.open(folder, {
  bytesMax: 67_108_864,
  clock: Date.now,
  random: (length) => crypto.getRandomValues(new Uint8Array(length)),
  log,
})
const windows = await OpenWindows.open(folder, { outbox, log })
/** Ends in a word, so that a line cut by the kill is not taken for one. */
const tell = (line: string) => process.stdout.write(`${line} told\n`)
tell('ready')

const windowOf = (from: number, ok: number): WindowReport =>
  aWindow({ from, to: from + 1, counts: { ok, error: 0, refused: 0 }, latency: { bins: [], count: 0, sumUs: 0 } })

let underWay = 0
let windowsUnderWay = 0
let checkpoint: Promise<void> | undefined
for (let number = Number(first); ; number += 1) {
  const ok = 1 + (number % 97)
  if (checkpoint === undefined && windowsUnderWay < windowsUnderWayMax) {
    const told = { from: number, ok: Math.ceil(ok / 2) }
    windows.save('runtime', [windowOf(told.from, told.ok)])
    checkpoint = windows.settled().then(() => {
      tell(`open ${told.from} ${told.ok}`)
      checkpoint = undefined
    })
  }
  if (windowsUnderWay < windowsUnderWayMax) {
    windowsUnderWay += 1
    windows.append('runtime', windowOf(number, ok)).then(() => {
      windowsUnderWay -= 1
      tell(`window ${number} ${ok}`)
    }, fail)
  }
  underWay += 1
  outbox.append({ kind: 'event', event: 'started', at: number, detail: `${number}` }).then(() => {
    underWay -= 1
    tell(`event ${number}`)
  }, fail)
  if (number % 16 === 0 || underWay > underWayMax) await new Promise(setImmediate)
  while (underWay > underWayMax) await new Promise((resolve) => setTimeout(resolve, 1))
}

function fail(error: unknown): void {
  console.error(error)
  process.exit(1)
}
