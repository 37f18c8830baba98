// What a device served in the past, as stretches of time, out of the progress it reported. Pure.

import { ProgressState } from '@roost/shared/protocol/progress.ts'
import { z } from 'zod'

/** `at`: the device's own clock, milliseconds since 1970. */
export type Progress = { at: number; deployment: string; manifest: string; state: ProgressState }

export const ProgressBody = z.object({ deployment: z.string(), manifest: z.string(), state: ProgressState })

/** `from`, `to`: device clock, milliseconds since 1970. `to` is null while it serves, as far as the device has said.
 *  `ended`: what put an end to it. */
export type Service = {
  deployment: string
  manifest: string
  from: number
  to: number | null
  ended: 'replaced' | 'failed' | 'rolled_back' | null
}

const serves: ReadonlySet<ProgressState> = new Set(['probation', 'succeeded', 'already_current'])

/** The stretches, oldest first. A bundle that is rolled back gives its place back to the one before.
 *  @param reports in the order of the device's outbox, which is that of its doings */
export function serviceHistory(reports: readonly Progress[]): Service[] {
  const services: Service[] = []
  const current = new Map<string, Service>()
  const begin = (deployment: string, manifest: string, from: number) => {
    const service: Service = { deployment, manifest, from, to: null, ended: null }
    services.push(service)
    current.set(deployment, service)
  }
  const end = (service: Service, to: number, ended: Service['ended']) => {
    // a clock that was set back meanwhile makes no stretch of negative length
    service.to = Math.max(service.from, to)
    service.ended = ended
  }
  for (const { at, deployment, manifest, state } of reports) {
    const now = current.get(deployment)
    if (serves.has(state) && now?.manifest !== manifest) {
      if (now !== undefined) end(now, at, 'replaced')
      begin(deployment, manifest, at)
    } else if ((state === 'rolled_back' || state === 'failed') && now?.manifest === manifest) {
      end(now, at, state)
      current.delete(deployment)
      const before = services.findLast((service) => service.deployment === deployment && service.manifest !== manifest)
      if (before?.ended === 'replaced') begin(deployment, before.manifest, at)
    }
  }
  return services
}
