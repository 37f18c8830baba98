// npm run demo: the whole of Roost on one machine in a minute and a half, on recorded sensor data, told as it happens.
// Ends with `demo: ok`, or `demo: failed at …` and the last lines of the process concerned. `-- --keep` leaves everything
// running until Ctrl-C. Whatever happens, short of kill -9, no process and no file stays behind.

import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { styleText } from 'node:util'
import { createCrew } from './crew.ts'
import { keepRunning } from './keep.ts'
import { createNarration } from './narration.ts'
import { tellStory } from './story.ts'
import { train } from './training-act.ts'
import { DemoError, InterruptedError } from './waiting.ts'

/** Of the story, which takes a third of it on two cores with nothing else to do. */
const storyMsMax = 240_000
/** Lines of a log that are shown of a failure. */
const linesShown = 25

const ok = 'demo: ok'

/** @returns the last line, and the exit code */
async function runDemo(keep: boolean): Promise<{ line: string; code: number }> {
  const over = new AbortController()
  const interrupt = (why: string) => over.abort(new InterruptedError(why))
  // Nobody reads any more (`| head`): the same as Ctrl-C.
  process.stdout.on('error', () => interrupt('because nobody reads its output'))
  const narration = createNarration(
    (text) => process.stdout.write(text),
    () => performance.now(),
    (title) => styleText('bold', title, { stream: process.stdout }),
  )
  // Nothing is open yet, so that a signal may end the process at once; it could not be heard meanwhile.
  const trained = train(narration)
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => interrupt(`by ${signal}`))

  await using opened = new AsyncDisposableStack()
  const folder = await mkdtemp(join(tmpdir(), 'roost-demo-'))
  opened.defer(() => rm(folder, { recursive: true, force: true, maxRetries: 5 }))
  const logs = join(folder, 'logs')
  await mkdir(logs)
  const end = (error: DemoError) => over.abort(error)
  const crew = createCrew(logs, over.signal, end)
  opened.defer(() => crew.dismiss())
  process.on('exit', crew.killAll)
  const late = setTimeout(() => end(new DemoError(`not done after ${storyMsMax / 1000} s`)), storyMsMax)
  opened.defer(() => clearTimeout(late))

  let isTold = false
  try {
    const { scene, fleet } = await tellStory({ folder, crew, narration, signal: over.signal, opened }, trained)
    clearTimeout(late)
    narration.say(`All this took ${narration.seconds().toFixed(0)} s.`)
    isTold = true
    if (keep) await keepRunning(scene, fleet)
    return { line: ok, code: 0 }
  } catch (error) {
    // Where the demo was over already, this failed because of it and is not the reason.
    over.abort(error)
    const reason: unknown = over.signal.reason
    if (!(reason instanceof Error)) throw reason
    if (reason instanceof InterruptedError) {
      if (isTold) return { line: ok, code: 0 }
      return { line: `demo: stopped at ${narration.currentStep()}, ${reason.message}`, code: 1 }
    }
    const log = reason instanceof DemoError ? reason.logOf : undefined
    if (log !== undefined) showLog(log, crew.lines(log))
    if (!(reason instanceof DemoError)) process.stdout.write(`${reason.stack}\n`)
    return { line: `demo: failed at ${narration.currentStep()}: ${reason.message}`, code: 1 }
  }
}

function showLog(name: string, lines: readonly string[]): void {
  const last = lines.slice(-linesShown).map((line) => `    ${line}\n`)
  process.stdout.write(`\n  the last lines of ${name}:\n${last.join('')}`)
}

const options = process.argv.slice(2)
const unknown = options.find((option) => option !== '--keep')
if (unknown === undefined) {
  const { line, code } = await runDemo(options.includes('--keep'))
  process.stdout.write(`\n${line}\n`)
  process.exitCode = code
} else {
  process.stderr.write(`demo: there is no option ${unknown}; there is --keep\n`)
  process.exitCode = 2
}
