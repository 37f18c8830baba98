// Any model card, with texts that try to be more than text.

import fc from 'fast-check'
import { type ModelCard, readWritten, type Written } from '../../../hub/model-card/card.ts'

const attacks = [
  '# heading',
  'a\n# heading\n\n---',
  '<script>alert(1)</script>',
  '<!-- open',
  '| a | b |',
  'a | b \\| c',
  '```\ncode',
  '[link](javascript:alert)',
  '![image](http://x.test/y.png)',
  'http://x.test www.x.test a@x.test',
  'setext\n===',
  '    indented',
  '- item\n  - deeper',
  '1. one',
  '&lt;b&gt;',
  '\u2028# heading',
  '\u202eright to left',
  '\\',
  '*a* _b_ ~~c~~',
  'half \ud800 pair',
]
export const Text = fc.oneof(fc.constantFrom(...attacks), fc.string({ unit: 'binary', maxLength: 20 }))
const Texts = fc.array(Text, { maxLength: 3 })
const Digest = fc.constantFrom('a'.repeat(64), 'b'.repeat(64))
const Time = fc.constant('2026-11-25T00:00:00.000Z')
const Finite = fc.double({ noNaN: true, noDefaultInfinity: true })
const Figures = fc.dictionary(Text, fc.record({ value: Finite, low: Finite, high: Finite }), { maxKeys: 3 })
const Tensor = fc.record({
  name: Text,
  datatype: fc.constant('FP32' as const),
  shape: fc.array(fc.integer({ min: -1, max: 9 }), { maxLength: 3 }),
})
const orNull = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary)
const Name = fc.constantFrom('fp32', 'int8')

export const WrittenTags: fc.Arbitrary<Written> = fc
  .dictionary(
    fc.constantFrom(
      ...['owners', 'license', 'architecture', 'approach', 'users', 'intended_use', 'limitations', 'tradeoffs'].map(
        (name) => `card.${name}`,
      ),
      'card.ethical_considerations',
    ),
    fc.oneof(
      Texts.map((texts) => texts.join('\n')),
      fc.constant('supervised'),
    ),
  )
  .map((tags) => readWritten(tags, {}))

export const Card: fc.Arbitrary<ModelCard> = fc.record({
  model: fc.constant('vibration'),
  version: fc.integer({ min: 1, max: 1_000_000 }),
  description: Text,
  modelDescription: Text,
  stage: fc.constant('staging'),
  aliases: Texts,
  createdBy: Text,
  createdAt: Time,
  updatedAt: Time,
  commit: orNull(Text),
  framework: orNull(Text),
  run: orNull(
    fc.record({
      id: Text,
      name: orNull(Text),
      experiment: orNull(Text),
      parameters: fc.dictionary(Text, Text, { maxKeys: 3 }),
    }),
  ),
  task: orNull(Text),
  opset: fc.constant(17),
  parameters: fc.nat(),
  operators: fc.array(fc.record({ name: Text, count: fc.nat() }), { maxLength: 3 }),
  inputs: fc.array(Tensor, { maxLength: 2 }),
  outputs: fc.array(Tensor, { maxLength: 2 }),
  variants: fc.uniqueArray(
    fc.record({
      variant: Name,
      profiles: fc.array(Name, { maxLength: 2 }),
      manifest: Digest,
      signed: fc.boolean(),
      files: fc.uniqueArray(
        fc.record({ role: fc.constantFrom('model', 'baseline'), sha256: Digest, sizeBytes: fc.nat() }),
        { selector: ({ role }) => role, minLength: 1 },
      ),
      limits: fc.constant({ memoryBytes: 1, trialMs: 1, inferenceMs: 1 }),
    }),
    { selector: ({ variant }) => variant, minLength: 1 },
  ),
  datasets: fc.array(
    fc.record({
      name: Text,
      digest: orNull(Digest),
      snapshot: orNull(Text),
      description: Text,
      rows: orNull(fc.nat()),
      format: orNull(Text),
      columns: fc.array(fc.record({ name: Text, type: Text }), { maxLength: 2 }),
      roles: Texts,
    }),
    { maxLength: 2 },
  ),
  reported: fc.dictionary(Text, Finite, { maxKeys: 2 }),
  evaluation: orNull(
    fc.record({
      id: Text,
      at: Time,
      variant: orNull(Name),
      dataset: Text,
      rows: fc.nat(),
      figures: Figures,
      difference: Figures,
      champion: orNull(fc.record({ version: fc.nat(), figures: Figures })),
      fairness: fc.array(
        fc.record({
          column: Text,
          groups: fc.array(
            fc.record({
              value: Text,
              rows: fc.nat(),
              selectionRate: Finite,
              truePositiveRate: Finite,
              falsePositiveRate: Finite,
            }),
            { maxLength: 2 },
          ),
        }),
        { maxLength: 2 },
      ),
      slices: fc.array(
        fc.record({
          column: Text,
          value: Text,
          rows: fc.nat(),
          tooSmall: fc.constant(null),
          figures: Figures,
          champion: fc.constant(null),
          difference: Figures,
          unmeasured: fc.constant({}),
        }),
        { maxLength: 2 },
      ),
    }),
  ),
  approvals: fc.array(
    fc.record({
      id: Text,
      state: Text,
      to: Text,
      gates: orNull(Text),
      decisions: fc.array(fc.record({ by: Text, decision: Text, comment: Text, at: Time, revoked: fc.boolean() }), {
        maxLength: 2,
      }),
    }),
    { maxLength: 2 },
  ),
  written: WrittenTags,
})
