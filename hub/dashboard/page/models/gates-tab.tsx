// What lies before the next stage of a version, what its gates say with every number, and who must still agree.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { Actor, WithNames } from '../parts/actor.tsx'
import { AuditLink } from '../parts/audit-link.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { useMay } from '../session.ts'
import { JudgeDialog, PromoteDialog, StageDialog } from './promote-dialogs.tsx'
import { RequestCard } from './request-card.tsx'
import { AnswerDot, type Stage, StageDot, stages } from './stages.tsx'
import { VerdictTable } from './verdict-table.tsx'

type Version = components['schemas']['Version']
type Verdict = components['schemas']['GateVerdict']

export function GatesTab({
  version,
  say,
  onChanged,
}: {
  version: Version
  say: (text: string) => void
  onChanged: () => void
}) {
  const { model: name, version: number } = version
  const found = useResource(`gates ${name} ${number}`, (signal) => loadGates(name, number, signal), ['models'])
  const may = useMay()
  const [dialog, setDialog] = useState<'promote' | 'stage' | 'judge'>()
  const { value, error } = found
  if (value === undefined) {
    return error === undefined ? <Loading rows={6} /> : <ErrorState error={error} retry={found.refresh} />
  }
  const { pipeline, verdicts, policy } = value
  const hasPolicy = policy.revision > 0
  const next = stageAfter(pipeline.stage)
  const latest = next === undefined ? undefined : verdicts.find(({ to }) => to === next)
  const earlier = verdicts.filter((verdict) => verdict !== latest)
  const mayMove = may('ci', 'models') || may('operator', 'models')
  const mayJudge = mayMove || may('approver', 'models')
  const done = (text: string) => {
    say(text)
    found.refresh()
    onChanged()
  }
  return (
    <div class="stack">
      <section class="card stack" aria-labelledby="pipeline">
        <div class="title spread">
          <h2 id="pipeline">Where it stands</h2>
          <div class="row wrap">
            {mayJudge && hasPolicy && next !== undefined && (
              <button type="button" onClick={() => setDialog('judge')}>
                Judge the gates now
              </button>
            )}
            {mayMove && hasPolicy && (
              <button type="button" class="primary" onClick={() => setDialog('promote')}>
                Move it…
              </button>
            )}
            {!hasPolicy && may('approver', 'models') && (
              <button type="button" class="primary" onClick={() => setDialog('stage')}>
                Set its stage…
              </button>
            )}
          </div>
        </div>
        <ol class="way" aria-label="Stages">
          {stages.map((stage) => (
            <li key={stage} aria-current={stage === pipeline.stage ? 'step' : undefined}>
              <StageDot stage={stage} isElsewhere={stage !== pipeline.stage} />
              <small class="quiet">
                {stage === pipeline.stage
                  ? 'it is here'
                  : stage === next && latest !== undefined
                    ? gatesText(latest)
                    : stage === 'staging' || stage === 'production'
                      ? rulesText(policy, stage)
                      : ''}
              </small>
            </li>
          ))}
        </ol>
        {pipeline.hold !== null && (
          <p class="notice bad">
            {pipeline.hold.kind === 'revoked' ? 'An approval was revoked' : 'A person moved it back'}: nothing moves it
            forward by itself{pipeline.hold.kind === 'revoked' ? ', and it is not rolled out' : ''}.{' '}
            <Actor actor={pipeline.hold.actor} />, <Time at={pipeline.hold.at} />:{' '}
            <WithNames text={pipeline.hold.reason} />
          </p>
        )}
      </section>
      {pipeline.requests
        .filter(({ state }) => state === 'open')
        .map((request) => (
          <RequestCard key={request.id} request={request} onDone={done} />
        ))}
      {hasPolicy ? (
        latest === undefined ? (
          next !== undefined && <p class="quiet">Its gates before {next} were not judged yet.</p>
        ) : (
          <VerdictTable verdict={latest} model={name} />
        )
      ) : (
        <p class="quiet">
          The model has no promotion policy: there are no gates, and stages are set by hand. An admin puts one with{' '}
          <code>roost gates set {name}</code>.
        </p>
      )}
      {pipeline.requests
        .filter(({ state }) => state !== 'open')
        .map((request) => (
          <RequestCard key={request.id} request={request} onDone={done} />
        ))}
      <section class="card stack" aria-labelledby="moves">
        <h2 id="moves">How it came here</h2>
        {pipeline.moves.length === 0 ? (
          <p class="quiet">
            {pipeline.stage === 'development' ? 'It is where every version begins.' : 'Its stage was set by hand.'}{' '}
            <AuditLink subject={`version:${name}/${number}`}>audit</AuditLink>
          </p>
        ) : (
          <ul class="lines">
            {pipeline.moves.map(({ at, from, to, kind, actor, reason }) => (
              <li key={`${at} ${from} ${to}`}>
                {from} → {to}, {kind}{' '}
                <small class="quiet">
                  <Time at={at} /> by <Actor actor={actor} />
                  {reason !== '' && (
                    <>
                      : <WithNames text={reason} />
                    </>
                  )}
                </small>
              </li>
            ))}
          </ul>
        )}
      </section>
      {earlier.length > 0 && (
        <section class="card stack" aria-labelledby="earlier">
          <h2 id="earlier">Verdicts before</h2>
          <ul class="lines">
            {earlier.map((verdict) => (
              <li key={verdict.id}>
                <details>
                  <summary>
                    before {verdict.to}: <AnswerDot answer={verdict.answer} />{' '}
                    <small class="quiet">
                      <Time at={verdict.lastAt} />, by revision {verdict.policyRevision}
                    </small>
                  </summary>
                  <VerdictTable verdict={verdict} model={name} />
                </details>
              </li>
            ))}
          </ul>
        </section>
      )}
      {dialog === 'promote' && (
        <PromoteDialog version={version} next={next} onDone={done} onClose={() => setDialog(undefined)} />
      )}
      {dialog === 'stage' && <StageDialog version={version} onDone={done} onClose={() => setDialog(undefined)} />}
      {dialog === 'judge' && next !== undefined && (
        <JudgeDialog version={version} to={next} onDone={done} onClose={() => setDialog(undefined)} />
      )}
    </div>
  )
}

async function loadGates(name: string, number: number, signal: AbortSignal) {
  const path = { name, version: String(number) }
  const [pipeline, { verdicts }, policy] = await Promise.all([
    answer(api.GET('/v1/models/{name}/versions/{version}/promotion', { params: { path }, signal })),
    answer(api.GET('/v1/models/{name}/versions/{version}/gates', { params: { path }, signal })),
    answer(api.GET('/v1/models/{name}/promotion', { params: { path: { name } }, signal })),
  ])
  return { pipeline, verdicts, policy }
}

export const stageAfter = (stage: Stage): 'staging' | 'production' | undefined =>
  stage === 'development' ? 'staging' : stage === 'staging' ? 'production' : undefined

function gatesText({ answer, rules }: Verdict): string {
  const not = rules.filter((rule) => rule.answer !== 'pass').length
  if (rules.length === 0) return 'nothing lies before it'
  if (answer === 'pass') return rules.length === 1 ? 'its gate passes' : `all ${rules.length} gates pass`
  return rules.length === 1 ? 'its gate does not pass' : `${not} of ${rules.length} gates do not pass`
}

function rulesText({ policy }: components['schemas']['PromotionPolicyRevision'], stage: 'staging' | 'production') {
  const rules = policy.stages?.[stage]
  const gates = rules?.gates?.length ?? 0
  const needed = rules?.approvals?.needed ?? 0
  const words = [
    gates > 0 ? `${gates} ${gates === 1 ? 'gate' : 'gates'}` : '',
    needed > 0 ? `${needed} ${needed === 1 ? 'approval' : 'approvals'}` : '',
  ].filter((word) => word !== '')
  return words.length === 0 ? '' : `behind ${words.join(' and ')}`
}
