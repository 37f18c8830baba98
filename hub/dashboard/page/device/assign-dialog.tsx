// Saying by hand what a deployment of the device shall run. A rollout is the way for more than one device.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { useResource } from '../resource.ts'
import { tellsWhen } from './slots-table.tsx'

type Device = components['schemas']['DeviceDetail']
type Props = {
  device: Device
  /** Undefined: another than those that it has. */
  deployment: string | undefined
  onClose: () => void
  onDone: (what: string) => void
}

/** Models that are offered; others are typed. */
const modelsShown = 200

export function AssignDialog({ device, deployment: given, onClose, onDone }: Props) {
  const present = device.desired.find((one) => one.deployment === given && one.role === 'primary')
  const [model, setModel] = useState(present?.model ?? '')
  const [version, setVersion] = useState('')
  const [deployment, setDeployment] = useState(given ?? '')
  const [role, setRole] = useState<'primary' | 'shadow'>('primary')
  const models = useResource('models', (signal) =>
    answer(api.GET('/v1/models', { params: { query: { limit: modelsShown } }, signal })),
  )
  const versions = useResource(`versions ${model}`, async (signal) =>
    model === ''
      ? { versions: [] }
      : answer(
          api.GET('/v1/models/{name}/versions', { params: { path: { name: model }, query: { limit: 50 } }, signal }),
        ),
  )
  const place = deployment === '' ? model : deployment
  const assign = async () => {
    await answer(
      api.PUT('/v1/devices/{id}/desired/{deployment}', {
        params: { path: { id: device.id, deployment: place } },
        body: { model, version: Number(version), role },
      }),
    )
    onDone(
      `${model} v${version} is wanted in ${place} of ${device.id}${role === 'shadow' ? ' as shadow' : ''}; ${tellsWhen(device)}.`,
    )
  }
  return (
    <ConfirmDialog
      title={given === undefined ? `Assign to ${device.id}` : `Assign to ${given} of ${device.id}`}
      action="Assign"
      onConfirm={assign}
      onClose={onClose}
    >
      <p class="quiet">By hand, on this device alone, without a gate. A rollout watches what it does.</p>
      <label>
        Model
        <input
          required
          list="assign-models"
          autocomplete="off"
          value={model}
          onInput={({ currentTarget }) => setModel(currentTarget.value.trim())}
        />
        <datalist id="assign-models">
          {(models.value?.models ?? []).map(({ name }) => (
            <option key={name} value={name} />
          ))}
        </datalist>
      </label>
      <label>
        Version
        <input
          required
          type="number"
          min={1}
          list="assign-versions"
          value={version}
          onInput={({ currentTarget }) => setVersion(currentTarget.value)}
        />
        <datalist id="assign-versions">
          {(versions.value?.versions ?? []).map((one) => (
            <option key={one.version} value={one.version} />
          ))}
        </datalist>
      </label>
      {given === undefined && (
        <label>
          Deployment
          <input
            placeholder={model === '' ? 'the name of the model' : model}
            value={deployment}
            onInput={({ currentTarget }) => setDeployment(currentTarget.value.trim())}
          />
        </label>
      )}
      <label>
        Role
        <select
          value={role}
          onChange={({ currentTarget }) => setRole(currentTarget.value === 'shadow' ? 'shadow' : 'primary')}
        >
          <option value="primary">it serves</option>
          <option value="shadow">it runs beside what serves (shadow)</option>
        </select>
      </label>
    </ConfirmDialog>
  )
}
