// Some of many devices, for who cannot look at all of them: the same ones whenever asked, whatever they report.

import { unitHash } from '../../rollouts/plan/line.ts'

/** In order of name. `seed`: another one draws others. */
export function drawDevices(devices: readonly string[], seed: string, max: number): string[] {
  if (devices.length <= max) return [...devices].sort()
  const ranked = devices.map((device) => ({ device, rank: unitHash(seed, device) }))
  return ranked
    .sort((a, b) => a.rank - b.rank || (a.device < b.device ? -1 : 1))
    .slice(0, max)
    .map(({ device }) => device)
    .sort()
}
