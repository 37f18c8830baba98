// The gates of a stage, each with its verdict, its figure against its threshold, and the hub's sentence.

import type { components } from '../api-types.d.ts'
import { counted, inBytes } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { shortNumber, signed } from './figures.ts'
import { Interval } from './interval.tsx'
import { versionHref } from './links.ts'
import { RowsTable } from './rows-table.tsx'
import { AnswerDot } from './stages.tsx'

type Verdict = components['schemas']['GateVerdict']
type Rule = Verdict['rules'][number]

const order = { fail: 0, undecided: 1, pass: 2 }

export function VerdictTable({ verdict, model }: { verdict: Verdict; model: string }) {
  const id = `verdict-${verdict.id}`
  const rules = verdict.rules.toSorted((a, b) => order[a.answer] - order[b.answer])
  return (
    <section class="card stack" aria-labelledby={id}>
      <div class="title">
        <h2 id={id}>Gates before {verdict.to}</h2>
        <AnswerDot answer={verdict.answer} />
        <p class="quiet">
          judged <Time at={verdict.lastAt} /> by revision {verdict.policyRevision} of the policy
          {verdict.champion !== null && (
            <>
              , against the champion <a href={versionHref(model, verdict.champion)}>v{verdict.champion}</a>
            </>
          )}
          {verdict.evaluation !== null && (
            <>
              , on{' '}
              <a href={`${versionHref(model, verdict.version, 'evaluation')}&evaluation=${verdict.evaluation}`}>
                this evaluation
              </a>
            </>
          )}
        </p>
      </div>
      {rules.length === 0 ? (
        <p class="quiet">No gates lie before it.</p>
      ) : (
        <RowsTable label="Gates">
          <thead>
            <tr>
              <th scope="col">Verdict</th>
              <th scope="col">Gate</th>
              <th scope="col" class="number">
                Figure
              </th>
              <th scope="col" class="number">
                Threshold
              </th>
              <th scope="col">
                <span class="hidden">Interval, threshold marked</span>
              </th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {rules.map((rule) => (
              <tr key={`${rule.rule} ${rule.variant ?? ''}`}>
                <td>
                  <AnswerDot answer={rule.answer} />
                </td>
                <th scope="row">
                  <code>{rule.rule}</code>
                  {rule.variant !== null && <small class="quiet block">variant {rule.variant}</small>}
                </th>
                <td class="number">
                  <RuleNumber rule={rule} value={rule.value} />
                </td>
                <td class="number">
                  <RuleNumber rule={rule} value={rule.bound} />
                </td>
                <td>
                  <RulePicture rule={rule} />
                </td>
                <td class="sentence">{rule.sentence}</td>
              </tr>
            ))}
          </tbody>
        </RowsTable>
      )}
    </section>
  )
}

/** Sizes with all their bytes: the gate may have been written in powers of ten. */
function RuleNumber({ rule: { rule }, value }: { rule: Rule; value: number | null }) {
  if (value === null) return <>–</>
  if (!rule.startsWith('size ')) return <>{shortNumber(value)}</>
  return (
    <>
      {inBytes(value)}
      <small class="quiet block">{counted(value, 'byte')}</small>
    </>
  )
}

/** The interval that decided, and the threshold: of the difference where the rule compares with the champion. */
function RulePicture({ rule }: { rule: Rule }) {
  const tone = rule.answer === 'pass' ? 'good' : rule.answer === 'fail' ? 'bad' : 'plain'
  const { value, low, high, bound, champion, difference } = rule
  if (difference !== null && champion !== null && bound !== null) {
    const wanted = bound - champion.value
    return (
      <>
        <Interval figure={difference} over={[difference.low, difference.high, wanted, 0]} mark={wanted} tone={tone} />
        <small class="quiet block">
          difference {signed(difference.low)} to {signed(difference.high)}
        </small>
      </>
    )
  }
  if (value === null || bound === null) return null
  const figure = { value, low: low ?? value, high: high ?? value }
  return <Interval figure={figure} over={[figure.low, figure.high, bound]} mark={bound} tone={tone} />
}
