// Moves a version: through the gates of the next stage, back, into the archive; by hand where there is no policy.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { useMay } from '../session.ts'
import { type Stage, stages } from './stages.tsx'

type Version = Pick<components['schemas']['Version'], 'model' | 'version' | 'stage'>
type Props = { version: Version; onDone: (text: string) => void; onClose: () => void }

const params = ({ model, version }: Version) => ({ path: { name: model, version: String(version) } })
const stageOf = (text: string): Stage => stages.find((stage) => stage === text) ?? 'development'

export function PromoteDialog({ version, next, onDone, onClose }: Props & { next: Stage | undefined }) {
  const may = useMay()
  const [to, setTo] = useState<Stage>(next ?? 'archived')
  const [comment, setComment] = useState('')
  const [isOverride, setOverride] = useState(false)
  const mayOverride = may('admin', 'models')
  // whoever only brings versions asks, and moves nothing back
  const choices = stages.filter((stage) => stage !== version.stage && (may('operator', 'models') || stage === next))
  const confirm = async () => {
    const body = { to, comment, override: isOverride }
    const after = await answer(
      api.POST('/v1/models/{name}/versions/{version}/promotion', { params: params(version), body }),
    )
    const what = `${version.model} v${version.version}`
    onDone(after.stage === to ? `${what} is in ${to}.` : `${what} waits for approval for ${to}.`)
  }
  return (
    <ConfirmDialog
      title={`Move ${version.model} v${version.version}`}
      action={isOverride ? 'Override and move it' : to === next ? 'Promote it' : 'Move it'}
      isDanger={isOverride || to === 'archived'}
      onConfirm={confirm}
      onClose={onClose}
    >
      <label>
        From {version.stage} to
        <select value={to} onChange={({ currentTarget }) => setTo(stageOf(currentTarget.value))}>
          {choices.map((stage) => (
            <option key={stage} value={stage}>
              {stage}
            </option>
          ))}
        </select>
      </label>
      <p class="quiet">
        Forward it goes one stage at a time, through its gates, and waits where approvals are needed. Back and into the
        archive nothing is asked; no alias moves, and devices go on running what they run.
      </p>
      <label>
        Comment
        <textarea
          rows={2}
          value={comment}
          required={isOverride}
          onInput={({ currentTarget }) => setComment(currentTarget.value)}
        />
      </label>
      {mayOverride && (
        <label class="check">
          <input
            type="checkbox"
            checked={isOverride}
            onChange={({ currentTarget }) => setOverride(currentTarget.checked)}
          />
          Override gates and approvals; the verdict it goes against is kept with the move
        </label>
      )}
    </ConfirmDialog>
  )
}

export function StageDialog({ version, onDone, onClose }: Props) {
  const others = stages.filter((stage) => stage !== version.stage)
  const [to, setTo] = useState<Stage>(others[0] ?? 'staging')
  const confirm = async () => {
    await answer(
      api.PUT('/v1/models/{name}/versions/{version}/stage', { params: params(version), body: { stage: to } }),
    )
    onDone(`${version.model} v${version.version} is in ${to}.`)
  }
  return (
    <ConfirmDialog
      title={`Set the stage of ${version.model} v${version.version}`}
      action="Set it"
      onConfirm={confirm}
      onClose={onClose}
    >
      <label>
        From {version.stage} to
        <select value={to} onChange={({ currentTarget }) => setTo(stageOf(currentTarget.value))}>
          {others.map((stage) => (
            <option key={stage} value={stage}>
              {stage}
            </option>
          ))}
        </select>
      </label>
      <p class="quiet">The model has no promotion policy, so nothing is asked.</p>
    </ConfirmDialog>
  )
}

export function JudgeDialog({ version, to, onDone, onClose }: Props & { to: 'staging' | 'production' }) {
  const confirm = async () => {
    const { answer: verdict } = await answer(
      api.POST('/v1/models/{name}/versions/{version}/gates', { params: params(version), body: { to } }),
    )
    const words = { pass: 'pass', fail: 'do not pass', undecided: 'are undecided' }
    onDone(`The gates before ${to} ${words[verdict]}.`)
  }
  return (
    <ConfirmDialog title={`Judge the gates before ${to}`} action="Judge them" onConfirm={confirm} onClose={onClose}>
      <p>
        The policy as it is now is held against the newest evaluation that counts. Where it says so, a version whose
        gates pass moves or asks for approval by itself.
      </p>
    </ConfirmDialog>
  )
}
