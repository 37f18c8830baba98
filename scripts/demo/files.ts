// npm run demo:files -- FOLDER: writes what the demo registers and replays as files, to do the same job by hand.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadMotes, type Mote } from './motes.ts'
import { trainDetectors } from './train.ts'
import { hasSample, metadataOf } from './versions.ts'

const folder = process.argv[2] ?? 'demo-files'
await mkdir(folder, { recursive: true })
const motes = loadMotes()
const detectors = trainDetectors(motes)
for (const name of ['v1', 'v2', 'v3'] as const) {
  const detector = detectors[name]
  await writeFile(join(folder, `${name}.onnx`), detector.onnx)
  await writeFile(join(folder, `${name}.metadata.json`), `${JSON.stringify(metadataOf(name, detector), null, 2)}\n`)
  if (hasSample(name)) await writeFile(join(folder, `${name}.sample.csv`), detector.sampleCsv)
}
for (const mote of motes) await writeFile(join(folder, `mote-${mote.id}.csv`), csvOf(mote))
console.log(`wrote three detectors and the readings of four motes to ${folder}/`)

function csvOf({ rows }: Mote): string {
  const lines = rows.map((row) => [row.mote_id, row.reading, row.temperature, row.humidity, row.label].join(','))
  return ['mote_id,reading,temperature,humidity,label', ...lines, ''].join('\n')
}
