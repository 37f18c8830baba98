// `roost simulate`: what a plan would do to a fleet, before there is a rollout. Needs no hub.

import { writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { defaultPlanFor } from '../rollouts/plan/default-plan.ts'
import { RolloutPlan } from '../rollouts/plan/plan.ts'
import { type Both, rolloutsMax, simulateMany } from '../rollouts/simulate/many.ts'
import { pictureOf } from '../rollouts/simulate/picture.ts'
import { Effect, FleetTraits } from '../rollouts/simulate/scenario.ts'
import { type Proportion, type Spread, type Summary, summarise } from '../rollouts/simulate/summary.ts'
import { index, number, wholeNumber } from './option-values.ts'
import { createOutput, table } from './output.ts'
import { readPlanFile } from './plan-file.ts'

type Options = {
  plan?: string
  devices: number
  effect: number
  latencyRatio: number
  installFailures: number
  silencing: number
  errorRate: number
  spread: number
  dayCycle: number
  wandering: number
  offline: number
  offlineHours: number
  perHour: number
  sites: number
  profiles: number
  shiftAfter?: number
  shiftBy?: number
  lying: number
  runs: number
  seed: number
  threads: number
  threshold: boolean
  svg?: string
  json?: boolean
}

const usual = FleetTraits.parse({})

/** More threads than any machine has cores for would only take memory. */
const threadsMax = 256

export function addSimulateCommand(program: Command): void {
  const share = (flag: string, text: string, value: number) =>
    new Option(`${flag} <share>`, text).argParser(number).default(value)
  program
    .command('simulate')
    .description(
      'run a plan against a simulated fleet many times: false stops, missed regressions, time, devices exposed',
    )
    .option('--plan <file>', 'YAML or JSON (the plan that a rollout to so many devices gets by itself)')
    .option('--devices <number>', 'devices of the fleet', wholeNumber, usual.devices)
    .option('--effect <share>', 'what the new version adds to the error rate; negative: better', number, 0)
    .option('--latency-ratio <factor>', 'how much slower it answers', number, 1)
    .addOption(share('--install-failures', 'share of devices on which it does not install', 0))
    .addOption(share('--silencing', 'chance in an hour that it silences its device', 0))
    .addOption(share('--error-rate', 'of the version before, on average', usual.errorRate))
    .option('--per-hour <number>', 'inferences of a device in an hour', number, usual.inferencesPerHour)
    .addOption(share('--spread', 'how much devices differ (deviation over mean)', usual.spread))
    .addOption(share('--day-cycle', 'by how much the error rate goes up and down in a day', usual.dayCycle))
    .addOption(share('--wandering', "deviation after a day of each device's own error rate", usual.wandering))
    .addOption(share('--offline', 'share of the time a device is away', usual.offline))
    .option('--offline-hours <hours>', 'how long it stays away', number, usual.offlineHours)
    .option('--sites <number>', 'sites; with the profiles they make the strata', wholeNumber, usual.sites)
    .option('--profiles <number>', 'device profiles', wholeNumber, usual.profiles)
    .option('--shift-after <hours>', 'when something hits all devices, whatever they run', number)
    .option('--shift-by <share>', 'what that adds to the error rate', number)
    .addOption(share('--lying', 'share of devices that report what is not so', 0))
    .option('--runs <number>', `rollouts, at most ${rolloutsMax}`, wholeNumber, 200)
    .option('--seed <number>', 'the same figures for the same seed', index, 1)
    .option('--threads <number>', 'how many at once', wholeNumber, availableParallelism())
    .option('--no-threshold', 'leave out the plain threshold beside it (half the time)')
    .option('--svg <file>', 'a picture of it')
    .option('--json', 'machine-readable')
    .addHelpText(
      'after',
      `
Examples:
  roost simulate --devices 200 --effect 0.02          a version that fails 2 % more: is it caught, where, how soon
  roost simulate --plan plan.yaml --devices 500       nothing wrong: how often is it stopped all the same
  roost simulate --shift-after 6 --shift-by 0.03      a heat wave that hits old and new alike`,
    )
    .action(simulate)
}

async function simulate(options: Options): Promise<void> {
  const traits = checked('the fleet', FleetTraits, {
    devices: options.devices,
    sites: options.sites,
    profiles: options.profiles,
    inferencesPerHour: options.perHour,
    errorRate: options.errorRate,
    spread: options.spread,
    dayCycle: options.dayCycle,
    wandering: options.wandering,
    offline: options.offline,
    offlineHours: options.offlineHours,
    lying: options.lying,
    ...(options.shiftBy === undefined
      ? {}
      : { shift: { afterHours: options.shiftAfter ?? 0, errorRate: options.shiftBy } }),
  })
  const effect = checked('the effect', Effect, {
    errorRate: options.effect,
    latencyRatio: options.latencyRatio,
    installFailures: options.installFailures,
    silencing: options.silencing,
  })
  if (options.runs > rolloutsMax) throw new Error(`at most ${rolloutsMax} rollouts are simulated at a time`)
  const plan =
    options.plan === undefined
      ? defaultPlanFor(traits.devices, traits.devices)
      : checked(options.plan, RolloutPlan, await readPlanFile(options.plan))
  const seeds = Array.from({ length: options.runs }, (_, i) => options.seed * 1_000_003 + i)
  const output = createOutput(options.json === true, (text) => process.stdout.write(text))
  const shown = process.stderr.isTTY && options.json !== true
  const results = await simulateMany(
    { plan, traits, effect, withThreshold: options.threshold, seeds },
    Math.min(options.threads, options.runs, threadsMax),
    (ended) => {
      if (shown) process.stderr.write(`\r${ended} of ${options.runs} rollouts${ended === options.runs ? '\n' : ''}`)
    },
  )
  const lastStage = plan.stages.at(-1)?.name ?? ''
  const roost = summarise(
    results.map((both) => both.roost),
    lastStage,
  )
  const plain = results.flatMap(({ threshold }) => (threshold === null ? [] : [threshold]))
  const threshold = plain.length === 0 ? null : summarise(plain, lastStage)
  const title = titleOf(options)
  if (options.svg !== undefined) await writeFile(options.svg, pictureOf(title, seriesOf(results), traits.devices))
  output.print({ title, plan, traits, effect, seed: options.seed, roost, threshold }, [
    title,
    `plan: ${plan.stages.map(({ name, mode }) => `${name} (${mode})`).join(', ')}`,
    '',
    ...table(
      ['', 'gates', ...(threshold === null ? [] : ['plain threshold'])],
      rowsOf(roost).map(([word, cell], i) => [word, cell, ...(threshold === null ? [] : [rowsOf(threshold)[i]?.[1]])]),
    ),
    ...(options.svg === undefined ? [] : ['', `picture: ${options.svg}`]),
  ])
}

/** @throws Error saying what is wrong with what was given */
function checked<S extends z.ZodType>(what: string, schema: S, value: unknown): z.output<S> {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw new Error(`${what} cannot be simulated: ${z.prettifyError(parsed.error)}`)
  return parsed.data
}

function titleOf({ devices, effect, latencyRatio, installFailures, silencing, runs, seed }: Options): string {
  const changes = [
    ...(effect === 0 ? [] : [`error rate ${effect > 0 ? '+' : ''}${percent(effect)}`]),
    ...(latencyRatio === 1 ? [] : [`latency x ${latencyRatio}`]),
    ...(installFailures === 0 ? [] : [`not installing on ${percent(installFailures)}`]),
    ...(silencing === 0 ? [] : [`silencing ${percent(silencing)} of devices an hour`]),
  ]
  const what = changes.length === 0 ? 'nothing changed' : changes.join(', ')
  return `${runs} rollouts to ${devices} devices, ${what} (seed ${seed})`
}

const seriesOf = (results: readonly Both[]) => [
  { name: 'gates', endings: results.map(({ roost }) => roost) },
  ...(results.some(({ threshold }) => threshold !== null)
    ? [
        {
          name: 'plain threshold',
          endings: results.flatMap(({ threshold }) => (threshold === null ? [] : [threshold])),
        },
      ]
    : []),
]

const rowsOf = (summary: Summary): [string, string][] => [
  ['completed', proportionWords(summary.completed)],
  ['stopped by a gate', proportionWords(summary.stopped)],
  ['  before the last stage', proportionWords(summary.stoppedBeforeLast)],
  ['undecided, waits for a person', proportionWords(summary.undecided)],
  ['ended in stage', countWords(summary.endedIn)],
  ['gates that failed', countWords(summary.failedGates)],
  ['hours to the end', spreadWords(summary.hours)],
  ['hours until stopped', summary.hoursToStop === null ? '' : spreadWords(summary.hoursToStop)],
  ['devices that ran it', spreadWords(summary.exposed)],
]

const percent = (share: number) => `${Number((share * 100).toPrecision(3))} %`

const proportionWords = ({ share, low, high }: Proportion) =>
  `${(share * 100).toFixed(1)} % (${(low * 100).toFixed(1)} to ${(high * 100).toFixed(1)})`

const countWords = (counts: Record<string, number>) =>
  Object.entries(counts)
    .map(([word, count]) => `${word} ${count}`)
    .join(', ')

const spreadWords = ({ median, p10, p90, max }: Spread) =>
  `${short(median)} (${short(p10)} to ${short(p90)}, at most ${short(max)})`

const short = (value: number) => String(Number(value.toPrecision(3)))
