// Asks before devices are changed, with what is known of what will happen.

import { answer, api } from '../api.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { counted } from '../parts/quantity.tsx'
import { inTime } from './answer.tsx'
import { bodyOf, type Preview, type Wish } from './dry-run.ts'

type Props = { preview: Preview; wish: Wish; isDraft: boolean; onClose: () => void; onStarted: (id: string) => void }

export function StartDialog({ preview, wish, isDraft, onClose, onStarted }: Props) {
  const [first] = preview.stages
  const { model, version, group, devices, warnings, supersedes } = preview
  const waits = first !== undefined && first.approvals > 0
  const start = async () => {
    const body = { ...bodyOf(wish, preview.id), ...(isDraft ? { draft: true } : {}) }
    const { id } = await answer(api.POST('/v1/rollouts', { body }))
    onStarted(id)
  }
  return (
    <ConfirmDialog
      title={isDraft ? 'Write it down as a draft?' : `Start the rollout of ${model} v${version}?`}
      action={isDraft ? 'Make the draft' : 'Start the rollout'}
      onConfirm={start}
      onClose={onClose}
    >
      {isDraft ? (
        <p>The hub keeps the plan, and no device is held. Who begins it freezes then who is in it.</p>
      ) : (
        <p>
          {waits ? 'After its approvals, ' : ''}
          {model} v{version} goes to <strong>{counted(devices, 'device')}</strong> of {group},{' '}
          {counted(first?.devices ?? 0, 'device')} first (stage {first?.name}); it takes {inTime(preview.durationMs)} at
          least.
        </p>
      )}
      {supersedes.length > 0 && !isDraft && <p>It ends {supersedes.join(', ')}, which hold some of the devices.</p>}
      {warnings.length > 0 && (
        <ul class="warnings">
          {warnings.map(({ code, field, detail }) => (
            <li key={`${code} ${field} ${detail}`}>{detail}</li>
          ))}
        </ul>
      )}
    </ConfirmDialog>
  )
}
