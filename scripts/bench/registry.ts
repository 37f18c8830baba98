// Bench `registry`: what a CI pipeline does to the hub, as often as it can.

import { metricsLogged } from './metrics-logged.ts'
import { registrations } from './registrations.ts'
import type { BenchResult } from './result.ts'

export const registry = async (): Promise<BenchResult[]> => [...(await registrations()), ...(await metricsLogged())]
