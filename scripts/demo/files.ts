// npm run demo:files -- FOLDER: writes what the demo registers and replays as files, to do the same job by hand.

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { loadMotes, type Mote } from './motes.ts'
import { threshold, trainDetectors } from './train.ts'

const folder = process.argv[2] ?? 'demo-files'
await mkdir(folder, { recursive: true })
const motes = loadMotes()
for (const [name, detector] of Object.entries(trainDetectors(motes))) {
  const metadata = {
    description: descriptions(name),
    features: detector.features,
    task: { kind: 'binary-classification', output: 'probability', threshold },
    window: { rows: 100, seconds: 60 },
    metrics: detector.metrics,
  }
  await writeFile(join(folder, `${name}.onnx`), detector.onnx)
  await writeFile(join(folder, `${name}.metadata.json`), `${JSON.stringify(metadata, null, 2)}\n`)
  await writeFile(join(folder, `${name}.sample.csv`), detector.sampleCsv)
}
for (const mote of motes) await writeFile(join(folder, `mote-${mote.id}.csv`), csvOf(mote))
console.log(`wrote three detectors and the readings of four motes to ${folder}/`)

function descriptions(name: string): string {
  if (name === 'v1') return 'trained on the indoor motes'
  return name === 'v2' ? 'trained on all motes' : 'answers as v2, fifty times as slow'
}

function csvOf({ rows }: Mote): string {
  const lines = rows.map((row) => [row.mote_id, row.reading, row.temperature, row.humidity, row.label].join(','))
  return ['mote_id,reading,temperature,humidity,label', ...lines, ''].join('\n')
}
