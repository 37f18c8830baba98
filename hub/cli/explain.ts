// `roost explain`: what each input adds to the answer for one row of a snapshot.

import type { Command } from 'commander'
import { Explanation } from '../evaluation/explain.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { index, versionReference } from './option-values.ts'
import { digits, table } from './output.ts'
import { type ReadingOptions, reading, readingOf, withoutMissing } from './reading-options.ts'

type ExplainOptions = ConnectionOptions & ReadingOptions & { row: number; class?: string; samples?: number }

export function addExplainCommand(program: Command): void {
  reading(connected(program.command('explain <model>')).argument('<version>', 'its number or @alias', versionReference))
    .description('say what each input adds to the answer for one row of a dataset snapshot (sampled Shapley values)')
    .requiredOption('--row <number>', 'which row, counted from 0', index)
    .option('--class <label>', 'whose probability, of more than two; the predicted one otherwise')
    .option('--samples <number>', 'four times as many halve the error (200; at most 1000)', index)
    .action(async (model: string, version: string, options: ExplainOptions) => {
      const { client, output } = connect(options)
      const { row, class: wanted, samples } = options
      const path = `/v1/models/${encodeURIComponent(model)}/versions/${version}/explanations`
      const body = { ...readingOf(options), row, ...withoutMissing({ class: wanted, samples }) }
      const found = await client.send('POST', path, body, Explanation)
      output.print(found, explanationLines(found))
    })
}

function explanationLines(found: Explanation): string[] {
  const { model, version, row, dataset, of, prediction, background, inputs, samples } = found
  return [
    `${model} ${version} on row ${row} of ${dataset.slice(0, 12)}: ${of} is ${digits(prediction)}`,
    '',
    ...table(
      ['input', 'is', 'adds', 'error'],
      [
        ['the rows it is compared with', '', digits(background.value), digits(background.standardError)],
        ...inputs.map(({ input, given, value, standardError }) => [
          input,
          given.map((one) => one ?? 'missing').join(', '),
          digits(value),
          digits(standardError),
        ]),
      ],
    ),
    `${samples} samples; error is one standard error of the sampling`,
  ]
}
