// A hub in a process of its own that takes one step of the script and is killed in it:
// `dying-process.ts <folder> <step> <point> <clock, ms>`.

import { join } from 'node:path'
import { aHub } from '../a-hub.ts'
import { dying, openFile, take } from './dying.ts'
import { script } from './scripted.ts'

const [folder = '', step, point, nowMs] = process.argv.slice(2)
// a folder of its own for what the step needs beside the database
await using hub = await aHub({ parts: { clock: () => Number(nowMs) } })
const { client } = dying(await openFile(join(folder, 'hub.db')), Number(point), () =>
  process.kill(process.pid, 'SIGKILL'),
)
const taken = script[Number(step)]
if (taken === undefined) throw new Error(`the script has no step ${step}`)
await take(taken, hub, client)
