// On how many devices each bundle served, at points of time: stretches of service, counted. Pure.

import type { Service } from './service-history.ts'

export type Counted = { deployment: string; manifest: string; devices: number[] }

/** `count` points, the first at `from`, `stepMs` apart. */
export type Points = { from: number; stepMs: number; count: number }

/** One entry for each deployment and bundle that served at one of the points: the number of stretches that hold it there.
 *  A stretch holds its beginning, and not its end. */
export function versionsOverTime(services: Iterable<Service>, { from, stepMs, count }: Points): Counted[] {
  const changes = new Map<string, { deployment: string; manifest: string; steps: Int32Array }>()
  /** The first point that is not before `at`. */
  const pointAt = (at: number) => Math.max(0, Math.ceil((at - from) / stepMs))
  for (const service of services) {
    const begins = pointAt(service.from)
    const ends = service.to === null ? count : Math.min(count, pointAt(service.to))
    if (begins >= ends) continue
    const key = `${service.deployment} ${service.manifest}`
    const { deployment, manifest } = service
    const known = changes.get(key) ?? { deployment, manifest, steps: new Int32Array(count + 1) }
    changes.set(key, known)
    known.steps[begins] = (known.steps[begins] ?? 0) + 1
    known.steps[ends] = (known.steps[ends] ?? 0) - 1
  }
  return [...changes.values()].map(({ deployment, manifest, steps }) => ({
    deployment,
    manifest,
    devices: summed(steps),
  }))
}

function summed(steps: Int32Array): number[] {
  let sum = 0
  return Array.from(steps.subarray(0, -1), (step) => (sum += step))
}
