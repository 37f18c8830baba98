// The dry run's answer: what it takes, which stage has how many devices and when, what its gates could see, who is left
// out and why, and what is doubtful.

import type { ComponentChildren } from 'preact'
import { spellDuration } from '../../../rollouts/plan/spelled-duration.ts'
import type { ApiError } from '../api.ts'
import { counted, inBytes } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { DrawnDevices } from './drawn-devices.tsx'
import type { DryRun, Preview, Wish } from './dry-run.ts'
import { StageTimes } from './stage-times.tsx'

export function Answer({ run, wish, hint }: { run: DryRun; wish: Wish | undefined; hint: string | undefined }) {
  const { preview, refusal, isAsking, askAgain } = run
  const isOld = isAsking || refusal !== undefined || hint !== undefined
  return (
    <div class="stack tight">
      <p role="status" class="small quiet">
        {hint ??
          (isAsking
            ? 'Asking the hub…'
            : refusal !== undefined
              ? 'The hub would not start this.'
              : 'Nothing is stored by looking.')}
      </p>
      {refusal !== undefined && hint === undefined && <Refusal error={refusal} retry={askAgain} />}
      {preview !== undefined && (
        <div class={isOld ? 'stack tight old' : 'stack tight'} aria-busy={isAsking}>
          {isOld && !isAsking && <p class="small quiet">What it was before:</p>}
          <Shown preview={preview} wish={wish} isOld={isOld} />
        </div>
      )}
    </div>
  )
}

function Refusal({ error, retry }: { error: ApiError; retry: () => void }) {
  const { title, detail, errors } = error.problem
  return (
    <div class="refusal" role="alert">
      <StateDot tone="bad">{title}</StateDot>
      {errors !== undefined && errors.length > 1 ? (
        <ul>
          {errors.map((one) => (
            <li key={`${one.field} ${one.detail}`}>
              {one.field !== '' && <code>{one.field}</code>} {one.detail}
            </li>
          ))}
        </ul>
      ) : (
        <p>{detail}</p>
      )}
      {error.status === undefined && (
        <button type="button" onClick={retry}>
          Try again
        </button>
      )}
    </div>
  )
}

function Shown({ preview, wish, isOld }: { preview: Preview; wish: Wish | undefined; isOld: boolean }) {
  const { devices, skippedCount, durationMs, assumedInstallMs, bytes, warnings, skipped, supersedes } = preview
  return (
    <>
      <p>
        <strong>{counted(devices, 'device')}</strong>
        {skippedCount > 0 && <>, {counted(skippedCount, 'other')} left out</>}, in <strong>{inTime(durationMs)}</strong>{' '}
        at least.
      </p>
      <p class="small quiet">
        An installation counts as {inTime(assumedInstallMs)}, people as none. Moves {moved(bytes)}.
      </p>
      {supersedes.length > 0 && (
        <p>
          Ends{' '}
          {supersedes.map((id, n) => (
            <span key={id}>
              {n > 0 && ', '}
              <a href={`/rollouts/${id}`} class="mono">
                {id}
              </a>
            </span>
          ))}
          , which hold some of the devices.
        </p>
      )}
      {warnings.length > 0 && (
        <section class="warnings" aria-label="Warnings">
          <StateDot tone="warn">{counted(warnings.length, 'warning')}</StateDot>
          <ul>
            {warnings.map(({ code, field, detail }) => (
              <li key={`${code} ${field} ${detail}`}>
                {detail}
                {field !== undefined && <code class="quiet"> {field}</code>}
              </li>
            ))}
          </ul>
        </section>
      )}
      <StageTimes preview={preview} />
      <ol class="stage-answers">
        {preview.stages.map((stage) => (
          <StageAnswer key={stage.name} stage={stage} />
        ))}
      </ol>
      {skipped.length > 0 && (
        <details>
          <summary>{counted(skippedCount, 'device')} left out</summary>
          <ul class="left-out">
            {skipped.slice(0, leftOutMax).map(({ device, why }) => (
              <li key={device}>
                <a href={`/devices/${encodeURIComponent(device)}`} class="mono">
                  {device}
                </a>{' '}
                {why}
              </li>
            ))}
          </ul>
          {skippedCount > leftOutMax && (
            <p class="quiet small">and {counted(skippedCount - leftOutMax, 'more', 'more')}</p>
          )}
        </details>
      )}
      {wish !== undefined && !isOld && (
        <DrawnDevices key={preview.id + JSON.stringify(wish)} preview={preview} wish={wish} />
      )}
    </>
  )
}

const leftOutMax = 200
const strataMax = 6

function StageAnswer({ stage }: { stage: Preview['stages'][number] }) {
  const strata = Object.entries(stage.strata).sort(([, a], [, b]) => b - a)
  const waits = [
    ...(stage.hold ? ['until a person releases it'] : []),
    ...(stage.approvals > 0 ? [`for ${counted(stage.approvals, 'approval')}`] : []),
  ]
  return (
    <li class="part">
      <div class="row between">
        <strong>{stage.name}</strong>
        <span class="quantity">{counted(stage.devices, 'device')}</span>
      </div>
      <p class="small quiet">
        {stage.mode}, {stage.reach}:{' '}
        {strata
          .slice(0, strataMax)
          .map(([stratum, count]) => `${count} of ${stratum}`)
          .join(', ')}
        {strata.length > strataMax && `, ${strata.length - strataMax} more kinds`}
      </p>
      {waits.length > 0 && (
        <p class="small">
          <StateDot tone="idle">{`Waits ${waits.join(' and ')}`}</StateDot>
        </p>
      )}
      <p class="small">
        Begins after {inTime(stage.beginsMs)}, is installed after {inTime(stage.installedMs)}, passes after{' '}
        <strong>{inTime(stage.passesMs)}</strong> at the earliest. Undecided, it is answered after{' '}
        {spellDuration(stage.timeLimitMs)}.
      </p>
      <dl class="sights">
        {stage.gates.map(({ label, sentence }, n) => (
          <Sight key={n} label={label}>
            {sentence}
          </Sight>
        ))}
      </dl>
    </li>
  )
}

const Sight = ({ label, children }: { label: string; children: ComponentChildren }) => (
  <div>
    <dt>{label}</dt>
    <dd>{children}</dd>
  </div>
)

/** `26 h 10 min`: a plan is no timetable. */
export function inTime(ms: number): string {
  if (ms < 60_000) return `${Math.ceil(ms / 1_000)} s`
  const minutes = Math.ceil(ms / 60_000)
  const parts = [
    [Math.floor(minutes / 1_440), 'd'],
    [Math.floor((minutes % 1_440) / 60), 'h'],
    [minutes % 60, 'min'],
  ] as const
  return parts
    .filter(([count]) => count > 0)
    .slice(0, 2)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ')
}

function moved({ perDevice, apart, broadcast }: Preview['bytes']): string {
  const each =
    perDevice.least === perDevice.most
      ? inBytes(perDevice.most)
      : `${inBytes(perDevice.least)} to ${inBytes(perDevice.most)}`
  return `${each} a device: ${inBytes(broadcast)} broadcast, or ${inBytes(apart)} if each fetches it for itself`
}
