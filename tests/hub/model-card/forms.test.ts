// The three forms of any card: valid by the official schema, and nothing but what the hub put there in the way of
// headings, tables, links and HTML.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readWritten } from '../../../hub/model-card/card.ts'
import { cardCycloneDx } from '../../../hub/model-card/cyclonedx.ts'
import { cardMarkdown, line } from '../../../hub/model-card/markdown.ts'
import { cardJson } from '../../../hub/model-card/toolkit-json.ts'
import { Card, Text } from './a-card.ts'
import { bomFault } from './cyclonedx-schema.ts'

const seed = 45
console.log(`model cards: seed ${seed}`)

const headings = [
  /^# vibration \d+$/,
  /^## (Details|Intended use|Users|Limitations|Trade-offs|Ethical considerations|Data|Evaluation|Approvals|Files)$/,
  /^### (Parameters of its run|As reported at registration)$/,
]

/** Bars that are not escaped: the borders of cells. */
const bars = (text: string): number => [...text.replaceAll(/\\./gs, '').matchAll(/\|/g)].length

test('Markdown: every heading, table and list is the hub’s own, whatever people wrote', () => {
  fc.assert(
    fc.property(Card, (card) => {
      const lines = cardMarkdown(card).split('\n')
      expect(lines.filter((text) => text.startsWith('## '))).toHaveLength(10)
      let columns = 0
      for (const text of lines) {
        const bare = text.replaceAll(/\\./gs, '')
        // raw HTML, entities, autolinks, links, images, code, emphasis that spans what the hub wrote
        expect(bare, text).not.toMatch(/[<>&`[\]~]|:\/\//)
        expect(text, JSON.stringify(text)).not.toMatch(/[\p{Cc}\u2028\u2029\u202a-\u202e\u2066-\u2069]/u)
        if (/^\s{0,3}#/.test(text))
          expect(
            headings.some((own) => own.test(text)),
            text,
          ).toBe(true)
        // an item of the hub's own lists has a text that begins none itself
        expect(text.replace(/^- (?=.)/, '')).not.toMatch(/^\s{4,}|^\s{0,3}(=+|-+|\d+[.)]|[+*])(\s|$)/)
        const inTable = text.startsWith('| ')
        if (!inTable) {
          expect(bars(text), text).toBe(0)
          columns = 0
        } else if (columns === 0) columns = bars(text)
        else expect(bars(text), text).toBe(columns)
      }
    }),
    { seed, numRuns: 300 },
  )
})

test('Markdown: text can be read back out of a line', () => {
  fc.assert(
    fc.property(Text, (text) => {
      const plain = (of: string) =>
        of
          .toWellFormed()
          .replaceAll(/[\p{Cc}\p{Zl}\p{Zp}\s]+/gu, ' ')
          .replaceAll(/[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/g, '')
          .trim()
      expect(line(text).replaceAll(/\\([!-/:-@[-`{-~])/g, '$1')).toBe(plain(text))
    }),
    { seed, numRuns: 500 },
  )
})

test('CycloneDX: every card is valid by the official schema of 1.6, and the same facts are the same document', () => {
  const fault = bomFault()
  fc.assert(
    fc.property(Card, (card) => {
      const bom: unknown = JSON.parse(JSON.stringify(cardCycloneDx(card)))
      expect(fault(bom)).toBeUndefined()
      expect(JSON.parse(JSON.stringify(cardCycloneDx(structuredClone(card))))).toEqual(bom)
    }),
    { seed, numRuns: 200 },
  )
})

test('CycloneDX: the check sees what is wrong', () => {
  const fault = bomFault()
  const [card] = fc.sample(Card, { seed, numRuns: 1 })
  if (card === undefined) throw new Error('no card')
  const bom = cardCycloneDx(card)
  expect(fault(bom)).toBeUndefined()
  expect(fault({ ...bom, specVersion: 16 })).toBeDefined()
  expect(fault({ ...bom, components: [{ type: 'dataset', name: 'x' }] })).toBeDefined()
  expect(fault({ ...bom, serialNumber: 'urn:uuid:1' })).toBeDefined()
})

test('JSON has the sections of the Model Card Toolkit, each metric with its interval as text', () => {
  fc.assert(
    fc.property(Card, (card) => {
      const json = cardJson(card)
      expect(Object.keys(json)).toEqual([
        'schema_version',
        'model_details',
        'model_parameters',
        'quantitative_analysis',
        'considerations',
        'roost',
      ])
      const count = Object.keys(card.evaluation?.figures ?? {}).length
      expect(json.quantitative_analysis).toMatchObject({
        performance_metrics: Array.from({ length: count }, () => ({
          value: expect.any(String),
          confidence_interval: { lower_bound: expect.any(String), upper_bound: expect.any(String) },
        })).concat(
          Array.from({ length: metricsOf(json).length - count }, () =>
            expect.objectContaining({ value: expect.any(String) }),
          ),
        ),
      })
    }),
    { seed, numRuns: 50 },
  )
})

const metricsOf = (json: Record<string, unknown>): unknown[] => {
  const analysis = json.quantitative_analysis
  if (typeof analysis !== 'object' || analysis === null || !('performance_metrics' in analysis)) return []
  return Array.isArray(analysis.performance_metrics) ? analysis.performance_metrics : []
}

describe('what people write', () => {
  test('of the version holds before that of its model, item by item', () => {
    const written = readWritten(
      { 'card.intended_use': '- bearings\n* fans\n\n  pumps  ' },
      {
        'card.intended_use': 'anything',
        'card.limitations': 'below 50 Hz',
        'card.ethical_considerations': 'alarm fatigue -> at most two alarms a day\nnone other',
      },
    )
    expect(written.useCases).toEqual(['bearings', 'fans', 'pumps'])
    expect(written.limitations).toEqual(['below 50 Hz'])
    expect(written.ethical).toEqual([
      { risk: 'alarm fatigue', mitigation: 'at most two alarms a day' },
      { risk: 'none other', mitigation: null },
    ])
  })
})
