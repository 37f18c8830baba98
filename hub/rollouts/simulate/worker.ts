// A thread that simulates the rollouts it is given, one message an answer.

import { parentPort, workerData } from 'node:worker_threads'
import { simulateBoth } from './judges.ts'
import { Batch } from './many.ts'

const port = parentPort
if (port === null) throw new Error('worker.ts is started as a worker thread')
const batch = Batch.parse(workerData)
for (const seed of batch.seeds) port.postMessage(simulateBoth({ ...batch, seed }))
