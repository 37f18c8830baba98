// npm run bench -- [name…] [--json] [--runs <count>] [--devices <count>]: runs the named benchmarks, or all, and prints a
// table or JSON lines. Each measures its own physical limit in the same run and states the ratio to it; see docs/benchmarks.md.

import { spawnSync } from 'node:child_process'
import { cpus } from 'node:os'
import { parseArgs } from 'node:util'
import { dashboard } from './dashboard.ts'
import { delta } from './delta.ts'
import { footprint } from './footprint.ts'
import { gates } from './gates.ts'
import { inference } from './inference.ts'
import { ingest } from './ingest.ts'
import { recorder } from './recorder.ts'
import { registry } from './registry.ts'
import type { BenchResult } from './result.ts'
import { rollout } from './rollout.ts'
import { runsByDefault, runsSearch } from './runs-search.ts'
import { shadow } from './shadow.ts'
import { devicesByDefault, wave } from './wave.ts'

const benches: Record<string, () => Promise<BenchResult[]>> = {
  inference,
  ingest,
  recorder,
  footprint,
  delta,
  gates,
  shadow,
  wave: () => wave(wholeNumber('devices')),
  registry,
  dashboard,
  rollout,
  'runs-search': () => runsSearch(wholeNumber('runs')),
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    json: { type: 'boolean', default: false },
    // how many runs bench runs-search looks through
    runs: { type: 'string', default: String(runsByDefault) },
    // how many devices bench wave brings a version to
    devices: { type: 'string', default: String(devicesByDefault) },
  },
})
const unknown = positionals.filter((name) => !(name in benches))
if (unknown.length > 0) {
  console.error(`no benchmark is called ${unknown.join(', ')}; there are ${Object.keys(benches).join(', ')}`)
  process.exit(2)
}

const chosen = Object.keys(benches).filter((name) => positionals.length === 0 || positionals.includes(name))
const [only, ...others] = chosen
if (only !== undefined && others.length === 0) await runHere(only)
else for (const name of chosen) runAlone(name)

async function runHere(name: string): Promise<void> {
  if (!values.json) {
    console.log(
      `${cpus().length} × ${cpus()[0]?.model.trim()}, Node ${process.version}, ${process.platform} ${process.arch}`,
    )
  }
  const results = (await benches[name]?.()) ?? []
  if (values.json) for (const result of results) console.log(JSON.stringify(result))
  else console.table(results.map(asRow))
}

/** In a process of its own: what one leaves behind as garbage would be counted off the memory of the next. */
function runAlone(name: string): void {
  const args = [
    import.meta.filename,
    name,
    '--runs',
    values.runs,
    '--devices',
    values.devices,
    ...(values.json ? ['--json'] : []),
  ]
  const { status } = spawnSync(process.execPath, args, { stdio: 'inherit' })
  if (status !== 0) process.exitCode = 1
}

function asRow({ bench, metric, value, unit, limit, ratio, goal, holds }: BenchResult) {
  const short = (number: number | null) => (number === null ? '' : Number(number.toPrecision(4)))
  return { bench, metric, value: short(value), unit, limit: short(limit), ratio: short(ratio), goal, holds }
}

function wholeNumber(option: 'runs' | 'devices'): number {
  const count = Number(values[option])
  if (Number.isSafeInteger(count) && count > 0) return count
  throw new Error(`--${option} takes a whole number above 0, not ${values[option]}`)
}
