// `roost evaluate`: run a version over a dataset snapshot, and see its figures beside the champion's.

import { setTimeout as delay } from 'node:timers/promises'
import type { Command } from 'commander'
import { Evaluation } from '../evaluation/documents.ts'
import { largestFirst } from '../evaluation/group-order.ts'
import type { EvaluationResult } from '../evaluation/result.ts'
import type { Client } from './client.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { versionReference } from './option-values.ts'
import { type Cell, digits, table } from './output.ts'
import { waitingOn } from './progress.ts'
import { type ReadingOptions, reading, readingOf, withoutMissing } from './reading-options.ts'
import { versionNumber } from './version-number.ts'

const lookEveryMs = 500
type EvaluateOptions = ConnectionOptions &
  ReadingOptions & {
    label: string
    slice?: string[]
    fairness?: string[]
    cluster?: string
    champion?: string
    importance: boolean
    wait?: boolean
  }

export function addEvaluateCommand(program: Command): void {
  reading(
    connected(program.command('evaluate <model>')).argument('<version>', 'its number or @alias', versionReference),
  )
    .description('run a version over a dataset snapshot and measure it, beside the champion on the same rows')
    .requiredOption('--label <column>', 'the column that holds what was true')
    .option('--slice <column>', 'measure apart by its values (again for more)', more)
    .option('--fairness <column>', 'compare between its values (again for more)', more)
    .option('--cluster <column>', 'rows of one value belong together')
    .option(
      '--champion <version>',
      'compare with this one (its number or @alias), or none; the alias champion otherwise',
      champion,
    )
    .option('--no-importance', 'without permutation importance')
    .option('--wait', 'until it is done, and print its figures')
    .action(async (model: string, version: string, options: EvaluateOptions) => {
      const { client, output } = connect(options)
      const path = `/v1/models/${encodeURIComponent(model)}/versions/${version}/evaluations`
      const asked = await client.send('POST', path, await requestOf(client, model, options), Evaluation)
      if (options.wait !== true) {
        return output.print(asked, [
          `${asked.id} ${asked.state}; look at it with GET ${path}/${asked.id}, or use --wait`,
        ])
      }
      // by its number: an alias may move meanwhile
      const ended = await wait(
        client,
        `/v1/models/${encodeURIComponent(model)}/versions/${asked.version}/evaluations/${asked.id}`,
      )
      output.print(
        ended,
        ended.result === null ? [`${ended.id} ${ended.state}: ${ended.reason}`] : resultLines(ended, ended.result),
      )
      process.exitCode = ended.state === 'succeeded' ? 0 : 1
    })
}

async function wait(client: Client, path: string): Promise<Evaluation> {
  const waiting = waitingOn(process.stderr)
  try {
    for (;;) {
      const found = await client.get(path, Evaluation)
      if (found.state !== 'queued' && found.state !== 'running') return found
      waiting.say(`${found.id} is ${found.state}`)
      await delay(lookEveryMs)
    }
  } finally {
    waiting.end()
  }
}

async function requestOf(client: Client, model: string, options: EvaluateOptions): Promise<Record<string, unknown>> {
  const { label, slice, fairness, cluster, importance } = options
  return {
    ...readingOf(options),
    label,
    ...withoutMissing({ slices: slice, fairness, cluster }),
    ...(options.champion === undefined ? {} : { champion: await championOf(client, model, options.champion) }),
    importance,
  }
}

function resultLines({ id, model, version, dataset, request }: Evaluation, result: EvaluationResult): string[] {
  const { rowsLeftOut, champion, noChampion, interval } = result
  const leftOut = Object.entries(rowsLeftOut).filter(([, rows]) => rows > 0)
  return [
    `${id}: ${model} ${version} (${request.variant}) on ${result.rows} rows of ${dataset.slice(0, 12)}` +
      (leftOut.length === 0 ? '' : `, without ${leftOut.map(([why, rows]) => `${rows} ${why}`).join(', ')}`),
    champion === null
      ? `no champion: ${noChampion}`
      : `beside the champion, version ${champion.version}, on the same rows`,
    '',
    ...figureTable(result),
    `95 % intervals by ${interval.method}, ${interval.resamples} resamples by ${interval.by}; latency is the hub's`,
    ...Object.entries(result.unmeasured).map(([name, why]) => `${name} is not measured: ${why}`),
    ...sliceLines(result),
    ...importanceLines(result),
  ]
}

function figureTable({ figures, champion, difference }: EvaluationResult): string[] {
  const rows = Object.entries(figures).map(([name, figure]): Cell[] => {
    const theirs = champion?.figures[name]
    const apart = difference[name]
    return [
      name,
      digits(figure.value),
      range(figure),
      ...(champion === null
        ? []
        : [theirs && digits(theirs.value), apart && digits(apart.value), apart && range(apart)]),
    ]
  })
  const beside = champion === null ? [] : ['champion', 'difference', '95 % interval']
  return table(['figure', 'value', '95 % interval', ...beside], rows)
}

const sliceFigures = ['accuracy', 'f1', 'roc_auc', 'mae', 'rmse', 'r2']

function sliceLines({ slices, slicesLeftOut }: EvaluationResult): string[] {
  if (slices.length === 0) return []
  const shown = sliceFigures.filter((name) => slices.some(({ figures }) => figures[name] !== undefined))
  const rows = largestFirst(slices).map((slice): Cell[] => [
    `${slice.column} = ${slice.value}`,
    slice.rows,
    ...shown.map((name) => {
      const figure = slice.figures[name]
      return figure && `${digits(figure.value)} ${range(figure)}`
    }),
    slice.tooSmall === null ? '' : `too small: ${slice.tooSmall}`,
  ])
  return [
    '',
    ...table(['slice', 'rows', ...shown, ''], rows),
    ...Object.entries(slicesLeftOut).map(([column, { rows }]) => `${rows} rows have other values of ${column}`),
  ]
}

function importanceLines({ importance }: EvaluationResult): string[] {
  if (importance === null) return []
  if ('reason' in importance) return ['', `no importance: ${importance.reason}`]
  const { by, rows, repeats, inputs } = importance
  return [
    '',
    ...table(
      [`loss of ${by} when shuffled`, 'mean', 'deviation'],
      inputs.map((row) => [row.input, digits(row.mean), digits(row.deviation)]),
    ),
    `over ${repeats} shuffles of ${rows} rows`,
  ]
}

const range = ({ low, high }: { low: number; high: number }): string => `[${digits(low)}, ${digits(high)}]`

const more = (text: string, before: string[] = []): string[] => [...before, text]

/** Null: with none. */
const championOf = async (client: Client, model: string, champion: string): Promise<number | null> =>
  champion === 'none' ? null : versionNumber(client, model, champion)

const champion = (text: string): string => (text === 'none' ? text : versionReference(text))
