// A model card in Markdown (CommonMark with tables). Nothing that anybody wrote may be more than text in it: no heading,
// no link, no HTML, no further cell of a table.

import { type CardEvaluation, type ModelCard, tensorText } from './card.ts'

export function cardMarkdown(card: ModelCard): string {
  return [
    `# ${line(card.model)} ${card.version}`,
    paragraphs(card.description) || paragraphs(card.modelDescription) || '_No description._',
    details(card),
    uses(card),
    data(card),
    evaluation(card),
    approvals(card),
    files(card),
  ]
    .filter((section) => section !== '')
    .join('\n\n')
    .concat('\n')
}

function details(card: ModelCard): string {
  const { written, run } = card
  const operators = card.operators.map(({ name, count }) => `${count} ${name}`).join(', ')
  const rows: [string, string | null][] = [
    ['stage', card.stage],
    ['aliases', card.aliases.join(', ')],
    ['registered', `${card.createdAt} by ${card.createdBy}`],
    ['owners', written.owners.join(', ')],
    ['licence', written.license],
    ['task', card.task],
    ['architecture', written.architecture],
    ['graph', `ONNX opset ${card.opset}, ${card.parameters} parameters: ${operators}`],
    ['inputs', card.inputs.map((tensor) => `${tensor.name} ${tensorText(tensor)}`).join('; ')],
    ['outputs', card.outputs.map((tensor) => `${tensor.name} ${tensorText(tensor)}`).join('; ')],
    ['framework', card.framework],
    ['commit', card.commit],
    ['run', run === null ? null : [run.id, run.name, run.experiment].filter((word) => word !== null).join(', ')],
  ]
  const known = rows.flatMap(([what, value]) => (value === null || value === '' ? [] : [[what, value]]))
  const parameters = Object.entries(run?.parameters ?? {})
  return [
    '## Details',
    table(['what', 'is'], known),
    ...(parameters.length === 0 ? [] : ['### Parameters of its run', table(['parameter', 'value'], parameters)]),
  ].join('\n\n')
}

function uses({ written }: ModelCard): string {
  const sections: [string, string[]][] = [
    ['Intended use', written.useCases],
    ['Users', written.users],
    ['Limitations', written.limitations],
    ['Trade-offs', written.tradeoffs],
    [
      'Ethical considerations',
      written.ethical.map(({ risk, mitigation }) =>
        mitigation === null ? risk : `${risk} (mitigation: ${mitigation})`,
      ),
    ],
  ]
  return sections
    .map(([title, items]) => `## ${title}\n\n${list(items) || '_Nothing is written about it._'}`)
    .join('\n\n')
}

function data({ datasets }: ModelCard): string {
  const rows = datasets.map((dataset) => [
    dataset.roles.join(', '),
    dataset.snapshot ?? dataset.name,
    dataset.digest ?? 'not held by this hub',
    dataset.rows === null ? '' : String(dataset.rows),
    dataset.columns.map(({ name, type }) => `${name} ${type}`).join(', '),
    dataset.description,
  ])
  const none = '_Nothing is known of the data it was made of._'
  const header = ['role', 'dataset', 'sha256', 'rows', 'columns', 'description']
  return `## Data\n\n${rows.length === 0 ? none : table(header, rows)}`
}

function evaluation({ evaluation, reported }: ModelCard): string {
  const said = Object.entries(reported).map(([name, value]) => [name, String(value)])
  const figures = (of: NonNullable<ModelCard['evaluation']>['figures'], slice: string, rows: number) =>
    Object.entries(of).map(([name, { value, low, high }]) => [
      slice,
      name,
      number(value),
      `${number(low)} to ${number(high)}`,
      String(rows),
    ])
  const measured =
    evaluation === null
      ? ['_This hub has not evaluated it._']
      : [
          `Measured by the hub on ${line(evaluation.dataset)}, ${evaluation.at}, evaluation ${line(evaluation.id)}` +
            `${evaluation.variant === null ? '' : `, variant ${line(evaluation.variant)}`}.` +
            ' Intervals are 95 %.',
          table(
            ['slice', 'figure', 'value', 'interval', 'rows'],
            [
              ...figures(evaluation.figures, 'all', evaluation.rows),
              ...evaluation.slices.flatMap(({ column, value, rows, figures: of }) =>
                figures(of, `${column} = ${value}`, rows),
              ),
            ],
          ),
          ...groupRates(evaluation.fairness),
          ...(evaluation.champion === null
            ? []
            : [
                `Difference to the champion of then, version ${evaluation.champion.version}, on the same rows:`,
                table(
                  ['figure', 'difference', 'interval'],
                  Object.entries(evaluation.difference).map(([name, { value, low, high }]) => [
                    name,
                    number(value),
                    `${number(low)} to ${number(high)}`,
                  ]),
                ),
              ]),
        ]
  return [
    '## Evaluation',
    ...measured,
    ...(said.length === 0 ? [] : ['### As reported at registration', table(['metric', 'value'], said)]),
  ].join('\n\n')
}

function groupRates(fairness: CardEvaluation['fairness']): string[] {
  const rows = fairness.flatMap(({ column, groups }) =>
    groups.map(({ value, rows, selectionRate, truePositiveRate, falsePositiveRate }) => [
      `${column} = ${value}`,
      ...[selectionRate, truePositiveRate, falsePositiveRate].map(number),
      String(rows),
    ]),
  )
  const header = ['group', 'predicted positive', 'true positive rate', 'false positive rate', 'rows']
  return rows.length === 0 ? [] : ['Between groups:', table(header, rows)]
}

function approvals({ approvals }: ModelCard): string {
  const rows = approvals.flatMap(({ to, state, gates, decisions }) =>
    (decisions.length === 0 ? [undefined] : decisions).map((decision) => [
      to,
      state,
      gates ?? '',
      decision === undefined ? '' : `${decision.decision}${decision.revoked ? ' (revoked)' : ''}`,
      decision?.by ?? '',
      decision?.at ?? '',
      decision?.comment ?? '',
    ]),
  )
  const header = ['to', 'state', 'gates', 'decision', 'by', 'at', 'comment']
  return `## Approvals\n\n${rows.length === 0 ? '_None was asked for._' : table(header, rows)}`
}

function files({ variants }: ModelCard): string {
  const rows = variants.flatMap(({ variant, profiles, signed, files }) =>
    files.map(({ role, sizeBytes, sha256 }) => [
      variant,
      profiles.length === 0 ? 'any' : profiles.join(', '),
      signed ? 'signed' : 'awaiting signature',
      role,
      String(sizeBytes),
      sha256,
    ]),
  )
  return `## Files\n\n${table(['variant', 'profiles', 'release', 'file', 'bytes', 'sha256'], rows)}`
}

const number = (value: number): string => String(Number(value.toPrecision(6)))

const table = (header: readonly string[], rows: readonly (readonly string[])[]): string =>
  [header, header.map(() => '---'), ...rows.map((row) => row.map(line))]
    .map((cells) => `| ${cells.join(' | ')} |`)
    .join('\n')

const list = (items: readonly string[]): string =>
  items
    .map(line)
    .filter((item) => item !== '')
    .map((item) => `- ${item}`)
    .join('\n')

/** Text of several lines, as paragraphs. */
const paragraphs = (text: string): string =>
  text
    .split(/\s*\n\s*\n\s*/)
    .map(line)
    .filter((paragraph) => paragraph !== '')
    .join('\n\n')

/** Text in one line that is nothing but text, wherever it stands: at the beginning of a line, of an item, in a cell. */
export function line(text: string): string {
  return text
    .toWellFormed()
    .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
    .replaceAll(invisible, '')
    .trim()
    .replaceAll(/[\\`*_[\]<>|~&$@]/g, '\\$&')
    .replaceAll(/(?<=\bwww)\./gi, '\\.')
    .replaceAll('://', '\\://')
    .replace(/^(?:[#+=:]|-(?!\d))/, '\\$&')
    .replace(/^(\d{1,9})([.)])(?=\s|$)/, '$1\\$2')
}

/** Marks that change the direction of what follows: text would read otherwise than it is. */
const invisible = /[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g
