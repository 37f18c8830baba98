// The worker thread that measures: one measurement in, one result out.

import { parentPort, workerData } from 'node:worker_threads'
import { measure } from './measure.ts'

parentPort?.postMessage(measure(workerData))
