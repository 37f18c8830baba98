// A model card as a machine learning bill of materials: CycloneDX 1.6 (ECMA-424).

import { nameUuid } from '../name-uuid.ts'
import hub from '../package.json' with { type: 'json' }
import { type CardDataset, type CardEvaluation, type ModelCard, tensorText } from './card.ts'
import { architectureOf } from './toolkit-json.ts'

export const cycloneDxType = 'application/vnd.cyclonedx+json'

const approaches: readonly string[] = [
  'supervised',
  'unsupervised',
  'reinforcement-learning',
  'semi-supervised',
  'self-supervised',
]

export function cardCycloneDx(card: ModelCard): Record<string, unknown> {
  const ref = `model:${card.model}/${card.version}`
  const files = fileComponents(card, ref)
  const datasets = card.datasets.map((dataset, i) => datasetComponent(dataset, `${ref}/dataset/${i + 1}`))
  const manifests = card.variants.map(({ manifest }) => manifest).join()
  return {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    // the same facts are the same document
    serialNumber: `urn:uuid:${nameUuid(`${ref} ${manifests} ${card.updatedAt}`)}`,
    version: 1,
    metadata: {
      timestamp: card.updatedAt,
      tools: { components: [{ type: 'application', name: 'roost', version: hub.version }] },
      component: modelComponent(card, ref),
    },
    components: [...files, ...datasets],
    dependencies: [{ ref, dependsOn: [...files, ...datasets].map((component) => component['bom-ref']) }],
  }
}

function modelComponent(card: ModelCard, ref: string): Record<string, unknown> {
  const { written, run } = card
  const properties: [string, string | null][] = [
    ['roost:stage', card.stage],
    ...card.aliases.map((alias): [string, string] => ['roost:alias', alias]),
    ['roost:registered-by', card.createdBy],
    ['roost:commit', card.commit],
    ['roost:framework', card.framework],
    ['roost:run', run?.id ?? null],
    ...Object.entries(run?.parameters ?? {}).map(([name, value]): [string, string] => [
      `roost:parameter:${name}`,
      value,
    ]),
    ...card.variants.map(({ variant, manifest }): [string, string] => [`roost:manifest:${variant}`, manifest]),
    ...card.approvals.flatMap(({ to, state, decisions }): [string, string][] => [
      ['roost:approval', `${to}: ${state}`],
      ...decisions.map(({ decision, by, at, revoked }): [string, string] => [
        'roost:approval:decision',
        `${decision} by ${by} at ${at}${revoked ? ', revoked' : ''}`,
      ]),
    ]),
  ]
  return {
    type: 'machine-learning-model',
    'bom-ref': ref,
    name: card.model,
    // the schema has room for 1,024 characters, a version here for at most ten
    version: String(card.version),
    description: card.description || card.modelDescription,
    ...(written.owners.length === 0 ? {} : { authors: written.owners.map((name) => ({ name })) }),
    ...(written.license === null ? {} : { licenses: [{ license: { name: written.license } }] }),
    hashes: distinctHashes(card),
    modelCard: modelCard(card, ref),
    properties: properties.flatMap(([name, value]) => (value === null ? [] : [{ name, value }])),
  }
}

/** Of the model files themselves. */
const distinctHashes = ({ variants }: ModelCard) =>
  [
    ...new Set(
      variants.flatMap(({ files }) => files.filter(({ role }) => role === 'model').map(({ sha256 }) => sha256)),
    ),
  ].map((content) => ({ alg: 'SHA-256', content }))

function modelCard(card: ModelCard, ref: string): Record<string, unknown> {
  const { written } = card
  const formats = (specs: ModelCard['inputs']) => specs.map((spec) => ({ format: `${spec.name} ${tensorText(spec)}` }))
  const type = approaches.find((known) => known === written.approach)
  return {
    'bom-ref': `${ref}/card`,
    modelParameters: {
      ...(type === undefined ? {} : { approach: { type } }),
      ...(card.task === null ? {} : { task: card.task }),
      ...(written.architecture === null ? {} : { architectureFamily: written.architecture }),
      modelArchitecture: architectureOf(card),
      datasets: card.datasets.map((_, i) => ({ ref: `${ref}/dataset/${i + 1}` })),
      inputs: formats(card.inputs),
      outputs: formats(card.outputs),
    },
    quantitativeAnalysis: { performanceMetrics: performanceMetrics(card) },
    considerations: {
      users: written.users,
      useCases: written.useCases,
      technicalLimitations: written.limitations,
      performanceTradeoffs: written.tradeoffs,
      ethicalConsiderations: written.ethical.map(({ risk, mitigation }) => ({
        name: risk,
        ...(mitigation === null ? {} : { mitigationStrategy: mitigation }),
      })),
      ...(card.evaluation === null ? {} : { fairnessAssessments: fairnessAssessments(card.evaluation) }),
    },
  }
}

/** What was measured of each group. Which of them is at risk, and whether being predicted positive does it good, numbers
 *  do not say: every group is named, and harms are its rates beside the largest differences. */
function fairnessAssessments({ fairness, figures, dataset }: CardEvaluation): Record<string, string>[] {
  return fairness.flatMap(({ column, groups }) => {
    const differences = ['demographic_parity_difference', 'equalised_odds_difference'].flatMap((name) => {
      const figure = figures[`${name}[${column}]`]
      return figure === undefined ? [] : [`${name} ${figure.value} (95 % interval ${figure.low} to ${figure.high})`]
    })
    return groups.map(({ value, rows, selectionRate, truePositiveRate, falsePositiveRate }) => ({
      groupAtRisk: `${column} = ${value}`,
      harms: [
        `measured on ${rows} rows of ${dataset}: predicted positive ${selectionRate}`,
        `true positive rate ${truePositiveRate}`,
        `false positive rate ${falsePositiveRate}`,
        `between the groups of ${column}: ${differences.length === 0 ? 'not measured' : differences.join(', ')}`,
      ].join('; '),
    }))
  })
}

function performanceMetrics({ evaluation, reported }: ModelCard): Record<string, unknown>[] {
  const figures = (of: NonNullable<typeof evaluation>['figures'], slice: string | undefined) =>
    Object.entries(of).map(([type, { value, low, high }]) => ({
      type,
      value: String(value),
      ...(slice === undefined ? {} : { slice }),
      confidenceInterval: { lowerBound: String(low), upperBound: String(high) },
    }))
  return [
    ...(evaluation === null ? [] : figures(evaluation.figures, undefined)),
    ...(evaluation?.slices ?? []).flatMap(({ column, value, figures: of }) => figures(of, `${column} = ${value}`)),
    ...Object.entries(reported).map(([name, value]) => ({ type: `${name} (reported)`, value: String(value) })),
  ]
}

const fileComponents = ({ variants }: ModelCard, ref: string) =>
  variants.flatMap(({ variant, files }) =>
    files.map(({ role, sha256, sizeBytes }) => ({
      type: 'file',
      'bom-ref': `${ref}/${variant}/${role}`,
      name: `${variant}/${role}`,
      hashes: [{ alg: 'SHA-256', content: sha256 }],
      properties: [{ name: 'roost:size-bytes', value: String(sizeBytes) }],
    })),
  )

function datasetComponent(dataset: CardDataset, ref: string) {
  const { name, digest, snapshot, description, roles, rows, format, columns } = dataset
  const properties: [string, string | null][] = [
    ...roles.map((role): [string, string] => ['roost:role', role]),
    ['roost:rows', rows === null ? null : String(rows)],
    ['roost:format', format],
    ...columns.map((column): [string, string] => [`roost:column:${column.name}`, column.type]),
  ]
  return {
    type: 'data',
    'bom-ref': ref,
    name: snapshot ?? name,
    description,
    ...(digest === null ? {} : { version: digest, hashes: [{ alg: 'SHA-256', content: digest }] }),
    data: [
      {
        type: 'dataset',
        name: snapshot ?? name,
        contents: {
          properties: properties.flatMap(([name, value]) => (value === null ? [] : [{ name, value }])),
        },
      },
    ],
  }
}
