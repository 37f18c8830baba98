// `npm run test:interop`: clients that nobody here wrote, against real hubs. MLflow's own client, of both generations,
// trains, logs, registers and loads; a version it registered is rolled out to a real agent, which must predict as the
// training script did; schemathesis asks every route of the OpenAPI document for what it makes up; OpenLineage's own
// classes take the events of all that.
// Needs python3 with venv; packages come from PyPI. Where that does not answer, it says so and ends with 0.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { createClient } from '../../hub/cli/client.ts'
import { RolloutDetail } from '../../hub/rollouts/documents.ts'
import { aHubProcess } from '../builders/hub-process.ts'
import { aFleet, type Fleet, ready } from '../end-to-end/a-fleet.ts'
import { until } from '../end-to-end/waiting.ts'
import { anEnvironment, type Environment, type Finished, isInstalled, pypiAnswers, run } from './environment.ts'

const requirements = ['mlflow3.txt', 'mlflow2.txt', 'schemathesis.txt', 'openlineage.txt']
const scripts = fileURLToPath(new URL('python/', import.meta.url))
const scriptMsMax = 300_000
/** Of fuzzing; what is cut is said by schemathesis. */
const fuzzSeconds = 90
const seed = 20_260

async function main(): Promise<number> {
  const installed = await Promise.all(requirements.map(isInstalled))
  if (installed.includes(false)) {
    const { answers, output } = await pypiAnswers()
    if (!answers) {
      say(
        `PyPI does not answer, or there is no Python for it: MLflow's clients and schemathesis were NOT tried.\n${output}`,
      )
      return 0
    }
  }
  const started = performance.now()
  const [mlflow3, mlflow2, schemathesis, openlineage] = await Promise.all([
    anEnvironment('mlflow3.txt'),
    anEnvironment('mlflow2.txt'),
    anEnvironment('schemathesis.txt'),
    anEnvironment('openlineage.txt'),
  ])
  say(`environments ready after ${seconds(performance.now() - started)}`)
  await using fleet = await aFleet()
  const results = await Promise.all([
    part('MLflow 3', () => train(fleet, mlflow3, '3.json')),
    part('MLflow 2', () => train(fleet, mlflow2, '2.json')),
    part('schemathesis', () => fuzz(schemathesis)),
  ])
  results.push(await part('rollout of what MLflow registered', () => rollOut(fleet, join(fleet.folder, '3.json'))))
  results.push(await part('OpenLineage', () => tellLineage(fleet, openlineage)))
  const failed = results.filter((result) => !result).length
  say(`took ${seconds(performance.now() - started)}`)
  say(`${results.length - failed} passed, ${failed} failed`)
  return failed === 0 ? 0 : 1
}

async function part(name: string, work: () => Promise<string>): Promise<boolean> {
  const started = performance.now()
  try {
    const outcome = await work()
    say(`passed: ${name} in ${seconds(performance.now() - started)}: ${outcome}`)
    return true
  } catch (error) {
    say(
      `FAILED: ${name} in ${seconds(performance.now() - started)}\n${error instanceof Error ? error.message : String(error)}`,
    )
    return false
  }
}

/** A script that knows the hub only by MLflow's own environment variables. */
async function train(fleet: Fleet, { bin }: Environment, results: string): Promise<string> {
  const environment = {
    MLFLOW_TRACKING_URI: fleet.hub().url,
    MLFLOW_TRACKING_TOKEN: fleet.adminToken,
    // what fails is to be seen at once
    MLFLOW_HTTP_REQUEST_MAX_RETRIES: '0',
    MLFLOW_DISABLE_TELEMETRY: 'true',
    GIT_PYTHON_REFRESH: 'quiet',
    TMPDIR: fleet.folder,
    PYTHONPATH: scripts,
  }
  const script = [join(scripts, 'training.py'), join(fleet.folder, results)]
  return lastLine(await run(bin('python'), script, environment, scriptMsMax))
}

/** Whatever has happened on the hub until now, as events that OpenLineage's own classes take. */
async function tellLineage(fleet: Fleet, { bin }: Environment): Promise<string> {
  const environment = { ROOST_URL: fleet.hub().url, ROOST_TOKEN: fleet.adminToken, TMPDIR: fleet.folder }
  return lastLine(await run(bin('python'), [join(scripts, 'lineage.py')], environment, scriptMsMax))
}

/** No answer may be 500 or hang, whatever is asked. On a hub of its own: it also deletes. */
async function fuzz({ bin }: Environment): Promise<string> {
  // made-up queries exceed the 16 KiB of headers after which Node itself answers 431 and hangs up
  await using hub = await aHubProcess({ environment: { NODE_OPTIONS: '--max-http-header-size=16777216' } })
  const args = [
    ...['run', `${hub.url}/v1/openapi.json`, '--header', `Authorization: Bearer ${hub.adminToken ?? ''}`],
    ...['--checks', 'not_a_server_error', '--phases', 'fuzzing', '--max-examples', '3', '--seed', String(seed)],
    ...['--max-time', String(fuzzSeconds), '--request-timeout', '30', '--suppress-health-check', 'all'],
    // it learns names from answers, and would take away the token it works with
    ...['--exclude-path', '/v1/tokens/{id}'],
    // its media type (tus) is one that schemathesis cannot write
    ...['--exclude-path', '/v1/uploads/{id}'],
    ...['--generation-database', 'none', '--warnings', 'off', '--no-color'],
  ]
  const finished = await run(bin('schemathesis'), args, { TMPDIR: hub.folder }, scriptMsMax)
  const { code, output } = finished
  const line = /^\s*\d+ generated.*$/m.exec(output)?.[0].trim() ?? ''
  if (code !== 0 || line === '') throw new Error(output)
  // else all but the first cases were refused for want of a token
  await createClient(hub.url, hub.adminToken ?? '').get('/v1/models', z.unknown())
  return `${line}; seed ${seed}`
}

const Trained = z.object({ inputs: z.array(z.array(z.number())), answers: z.array(z.array(z.number())) })
const Answer = z.object({ model_version: z.string(), outputs: z.tuple([z.object({ data: z.array(z.number()) })]) })
/** Two runtimes may add floats in different order. */
const tolerance = 1e-4

async function rollOut(fleet: Fleet, results: string): Promise<string> {
  const { inputs, answers } = Trained.parse(JSON.parse(await readFile(results, 'utf8')))
  const gateway = await fleet.enrol('gearbox')
  await ready(gateway.start())
  const operator = fleet.operator()
  await operator.send('POST', '/v1/groups', { name: 'everywhere', query: 'all' }, z.unknown())
  const plan = {
    stages: [{ name: 'all', percent: 100, bakeMs: 500 }],
    gates: [{ metric: 'installation' }],
    stageTimeLimitMs: 120_000,
  }
  const body = { model: 'vibration', version: 2, group: 'everywhere', plan }
  const { id } = await operator.send('POST', '/v1/rollouts', body, RolloutDetail)
  const show = () => operator.get(`/v1/rollouts/${id}`, RolloutDetail)
  await until('the rollout completes', async () => (await show()).state === 'completed', show)
  const question = { inputs: [{ name: 'x', datatype: 'FP32', shape: [inputs.length, 4], data: inputs.flat() }] }
  const response = await fetch(`${gateway.servingUrl}/v2/models/vibration/infer`, {
    method: 'POST',
    body: JSON.stringify(question),
  })
  const text = await response.text()
  if (response.status !== 200) throw new Error(`the agent answered ${response.status}: ${text}`)
  const { model_version, outputs } = Answer.parse(JSON.parse(text))
  const expected = answers.flat()
  const { data } = outputs[0]
  const furthest = Math.max(...expected.map((value, i) => Math.abs(value - (data[i] ?? Number.NaN))))
  if (model_version !== '2' || !(furthest <= tolerance)) {
    throw new Error(`version ${model_version} is off by ${furthest}: ${text}; trained: ${JSON.stringify(expected)}`)
  }
  return `the agent predicts as the script did, to ${furthest.toExponential(1)}`
}

function lastLine({ code, output }: Finished): string {
  if (code !== 0) throw new Error(`it ended with ${code}:\n${output}`)
  return output.trimEnd().split('\n').at(-1) ?? ''
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}

function say(line: string): void {
  process.stdout.write(`${line}\n`)
}

process.exitCode = await main()
