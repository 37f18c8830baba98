// npm run demo: the whole of Roost on one machine in a minute and a half, on recorded sensor data, told as it happens.
// Ends with `demo: ok`, or `demo: failed at …` and the last lines of the process concerned. `-- --keep` leaves everything
// running until Ctrl-C. Whatever happens, no process and no file stays behind.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createCrew } from './crew.ts'
import { keepRunning } from './keep.ts'
import { createNarration } from './narration.ts'
import { tellStory } from './story.ts'
import { DemoError } from './waiting.ts'

/** Of the story; cleaning up comes on top of it. */
const storyMsMax = 110_000
/** Lines of a log that are shown of a failure. */
const linesShown = 25

async function runDemo(keep: boolean): Promise<number> {
  const over = new AbortController()
  const end = (error: DemoError) => over.abort(error)
  const folder = await mkdtemp(join(tmpdir(), 'roost-demo-'))
  const logs = join(folder, 'logs')
  await mkdir(logs)
  const crew = createCrew(logs, end)
  const narration = createNarration(
    (text) => process.stdout.write(text),
    () => performance.now(),
  )
  const interrupted = (signal: NodeJS.Signals) => end(new DemoError(`stopped by ${signal}`))
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, interrupted)
  // Nobody reads any more (`| head`): the same as Ctrl-C.
  process.stdout.on('error', () => end(new DemoError('standard output was closed')))
  process.on('exit', crew.killAll)

  const late = setTimeout(() => end(new DemoError(`not done after ${storyMsMax / 1000} s`)), storyMsMax)
  await using opened = new AsyncDisposableStack()
  opened.defer(() => rm(folder, { recursive: true, force: true }))
  opened.defer(() => crew.dismiss())
  try {
    const stage = { folder, crew, narration, signal: over.signal, opened }
    const told = await tellStory(stage)
    clearTimeout(late)
    process.stdout.write(`\ndemo: ok (${narration.seconds().toFixed(0)} s)\n`)
    if (keep) await keepRunning(stage, told)
    return 0
  } catch (error) {
    if (!(error instanceof Error)) throw error
    process.stdout.write(`\ndemo: failed at ${narration.currentStep()}: ${error.message}\n`)
    if (!(error instanceof DemoError)) process.stdout.write(`${error.stack}\n`)
    const log = error instanceof DemoError ? (error.logOf ?? undefined) : undefined
    if (log !== undefined) showLog(log, crew.lines(log))
    return 1
  } finally {
    clearTimeout(late)
  }
}

function showLog(name: string, lines: readonly string[]): void {
  const last = lines.slice(-linesShown).map((line) => `    ${line}\n`)
  process.stdout.write(`  the last lines of ${name}:\n${last.join('')}`)
}

const options = process.argv.slice(2)
const unknown = options.find((option) => option !== '--keep')
if (unknown === undefined) {
  process.exitCode = await runDemo(options.includes('--keep'))
} else {
  process.stderr.write(`demo: there is no option ${unknown}; there is --keep\n`)
  process.exitCode = 2
}
