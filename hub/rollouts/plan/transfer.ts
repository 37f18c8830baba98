// How many bytes a rollout moves: files that a device has from the version before are not fetched again.

import type { Manifest } from '@roost/shared/bundle/manifest.ts'
import type { Drawn } from './draw.ts'

export type Transfer = {
  /** What one device fetches, at least and at most. */
  perDevice: { least: number; most: number }
  /** All of them together, each for itself (over HTTP). */
  apart: number
  /** Published once to all who want it in this stage (over MQTT). Where patches are made for a pair of versions it is less. */
  broadcast: number
}

/** For each stage what the devices fetch that get the version in it, as shadow or to serve.
 *  @param targetOf, previousOf of a device; `previousOf` undefined where it has nothing */
export function transfers(
  stages: number,
  drawn: readonly Drawn[],
  targetOf: (device: string) => Manifest | undefined,
  previousOf: (device: string) => Manifest | undefined,
): Transfer[] {
  return Array.from({ length: stages }, (_, stage) => {
    const wanted = drawn
      .filter((device) => device.stage === stage)
      .map(({ device }) => missing(targetOf(device), previousOf(device)))
    const sizes = wanted.map((files) => files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))
    const distinct = new Map(wanted.flat().map(({ sha256, sizeBytes }) => [sha256, sizeBytes]))
    return {
      perDevice: { least: sizes.length === 0 ? 0 : Math.min(...bounded(sizes)), most: Math.max(0, ...bounded(sizes)) },
      apart: sizes.reduce((sum, size) => sum + size, 0),
      broadcast: [...distinct.values()].reduce((sum, size) => sum + size, 0),
    }
  })
}

/** Few different sizes among many devices: as many arguments as a call may have. */
const bounded = (sizes: readonly number[]) => [...new Set(sizes)].slice(0, 10_000)

const missing = (target: Manifest | undefined, previous: Manifest | undefined): Manifest['files'] => {
  const there = new Set(previous?.files.map(({ sha256 }) => sha256))
  return target?.files.filter(({ sha256 }) => !there.has(sha256)) ?? []
}
