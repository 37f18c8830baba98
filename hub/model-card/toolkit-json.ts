// A model card in the fields of Google's Model Card Toolkit, schema 0.0.2; what it has no field for is under `roost`.

import { type ModelCard, tensorText } from './card.ts'

export function cardJson(card: ModelCard): Record<string, unknown> {
  const { written, evaluation } = card
  const tensors = (specs: ModelCard['inputs']) => specs.map((spec) => ({ key: spec.name, value: tensorText(spec) }))
  const described = (items: readonly string[]) => items.map((description) => ({ description }))
  return {
    schema_version: '0.0.2',
    model_details: {
      name: card.model,
      overview: card.description || card.modelDescription,
      owners: written.owners.map((name) => ({ name })),
      version: { name: String(card.version), date: card.createdAt },
      ...(written.license === null ? {} : { licenses: [{ custom_text: written.license }] }),
      references: card.commit === null ? [] : [{ reference: card.commit }],
    },
    model_parameters: {
      model_architecture: written.architecture ?? architectureOf(card),
      data: card.datasets.map(({ name, snapshot, description, digest, roles }) => ({
        name: snapshot ?? name,
        description: [roles.join(', '), description, digest === null ? '' : `sha256 ${digest}`]
          .filter((part) => part !== '')
          .join('; '),
      })),
      input_format_map: tensors(card.inputs),
      output_format_map: tensors(card.outputs),
    },
    quantitative_analysis: { performance_metrics: performanceMetrics(card) },
    considerations: {
      users: described(written.users),
      use_cases: described(written.useCases),
      limitations: described(written.limitations),
      tradeoffs: described(written.tradeoffs),
      ethical_considerations: written.ethical.map(({ risk, mitigation }) => ({
        name: risk,
        ...(mitigation === null ? {} : { mitigation_strategy: mitigation }),
      })),
    },
    roost: {
      stage: card.stage,
      aliases: card.aliases,
      registered_by: card.createdBy,
      updated: card.updatedAt,
      task: card.task,
      framework: card.framework,
      commit: card.commit,
      run: card.run,
      variants: card.variants,
      datasets: card.datasets,
      evaluation,
      approvals: card.approvals,
    },
  }
}

type Metric = { type: string; value: string; slice?: string; confidence_interval?: Record<string, string> }

function performanceMetrics({ evaluation, reported }: ModelCard): Metric[] {
  const figures = (of: NonNullable<typeof evaluation>['figures'], slice: string | undefined): Metric[] =>
    Object.entries(of).map(([type, { value, low, high }]) => ({
      type,
      value: String(value),
      ...(slice === undefined ? {} : { slice }),
      confidence_interval: { lower_bound: String(low), upper_bound: String(high) },
    }))
  return [
    ...(evaluation === null ? [] : figures(evaluation.figures, undefined)),
    ...(evaluation?.slices ?? []).flatMap(({ column, value, figures: of }) => figures(of, `${column} = ${value}`)),
    ...(evaluation?.fairness ?? []).flatMap(({ column, groups }) =>
      groups.flatMap(({ value, selectionRate, truePositiveRate, falsePositiveRate }) =>
        Object.entries({
          selection_rate: selectionRate,
          true_positive_rate: truePositiveRate,
          false_positive_rate: falsePositiveRate,
        }).map(([type, rate]) => ({ type, value: String(rate), slice: `${column} = ${value}` })),
      ),
    ),
    ...Object.entries(reported).map(([name, value]) => ({ type: `${name} (reported)`, value: String(value) })),
  ]
}

/** The graph in a sentence. */
export const architectureOf = ({ opset, parameters, operators }: ModelCard): string =>
  `ONNX opset ${opset}, ${parameters} parameters: ${operators.map(({ name, count }) => `${count} ${name}`).join(', ')}`
