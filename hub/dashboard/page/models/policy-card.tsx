// The promotion policy of a model in words: what lies before each stage, who must approve, what happens by itself.

import type { components } from '../api-types.d.ts'
import { Actor } from '../parts/actor.tsx'
import { AuditLink } from '../parts/audit-link.tsx'
import { Facts } from '../parts/facts.tsx'
import { counted } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'

type Revision = components['schemas']['PromotionPolicyRevision']
type Rules = NonNullable<NonNullable<Revision['policy']['stages']>['staging']>

export function PolicyCard({ revision }: { revision: Revision }) {
  const { policy, createdAt, createdBy, model } = revision
  if (createdAt === null) {
    return (
      <section class="card stack" aria-labelledby="policy">
        <h2 id="policy">Promotion policy</h2>
        <p>
          None was put: nothing moves by itself, nothing is asked, stages are set by hand. An admin puts one with{' '}
          <code>roost gates set {model}</code>.
        </p>
      </section>
    )
  }
  const { stages, previousProduction, alias, rolloutFrom, withoutChampion, evaluations } = policy
  return (
    <section class="card stack" aria-labelledby="policy">
      <h2 id="policy">Promotion policy</h2>
      <StageRules goal="staging" rules={stages?.staging} />
      <StageRules goal="production" rules={stages?.production} />
      <Facts
        facts={[
          ['Whose place is taken', `goes to ${previousProduction ?? 'archived'}`],
          ['Alias that is moved', alias === null ? 'none' : <code>@{alias ?? 'champion'}</code>],
          ['Rolled out from', rolloutFrom ?? 'development'],
          ['Without a champion', `comparisons are ${withoutChampion === 'pass' ? 'passed' : 'undecided'}`],
          [
            'Evaluations that count',
            (evaluations?.datasets ?? []).length === 0 && (evaluations?.label ?? null) === null ? (
              'any'
            ) : (
              <>
                {evaluations?.label != null && (
                  <>
                    against <code>{evaluations.label}</code>{' '}
                  </>
                )}
                {(evaluations?.datasets ?? []).map((digest) => (
                  <code key={digest} title={digest}>
                    {digest.slice(0, 12)}…{' '}
                  </code>
                ))}
              </>
            ),
          ],
          [
            'Revision',
            <>
              {revision.revision}, <Time at={createdAt} /> by <Actor actor={createdBy} />{' '}
              <AuditLink subject={`model:${model}`}>audit</AuditLink>
            </>,
          ],
        ]}
      />
    </section>
  )
}

function StageRules({ goal, rules }: { goal: string; rules: Rules | undefined }) {
  const gates = rules?.gates ?? []
  const needed = rules?.approvals?.needed ?? 0
  return (
    <div>
      <h3>
        Before {goal}: {rules?.automatic === true ? 'by itself' : 'a person moves it'}
        {needed > 0 && `, ${counted(needed, 'approval')} within ${counted(rules?.approvals?.expireDays ?? 7, 'day')}`}
      </h3>
      {gates.length === 0 ? (
        <p class="quiet">No gates.</p>
      ) : (
        <ul class="gates">
          {gates.map((gate) => (
            <li key={gate}>
              <code>{gate}</code>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}
