// What may be changed of a model: where an alias points, the floor, whether new versions are sealed.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'

type Version = Pick<components['schemas']['Version'], 'version' | 'stage'>
type Props = { model: string; onDone: (text: string) => void; onClose: () => void }

export function AliasDialog({
  model,
  versions,
  aliases,
  onDone,
  onClose,
}: Props & { versions: readonly Version[]; aliases: readonly components['schemas']['Alias'][] }) {
  const [alias, setAlias] = useState(aliases[0]?.alias ?? 'champion')
  const [version, setVersion] = useState(String(versions[0]?.version ?? ''))
  const confirm = async () => {
    const path = { name: model, alias: alias.trim() }
    if (version === '') {
      await answer(api.DELETE('/v1/models/{name}/aliases/{alias}', { params: { path } }))
      onDone(`@${alias} is gone.`)
    } else {
      await answer(
        api.PUT('/v1/models/{name}/aliases/{alias}', { params: { path }, body: { version: Number(version) } }),
      )
      onDone(`@${alias} points at version ${version}.`)
    }
  }
  return (
    <ConfirmDialog
      title={`An alias of ${model}`}
      action={version === '' ? 'Remove it' : 'Point it there'}
      isDanger={version === ''}
      onConfirm={confirm}
      onClose={onClose}
    >
      <label>
        Alias
        <input value={alias} list="aliases" onInput={({ currentTarget }) => setAlias(currentTarget.value)} />
      </label>
      <datalist id="aliases">
        {aliases.map((one) => (
          <option key={one.alias} value={one.alias} />
        ))}
      </datalist>
      <VersionChoice
        label="Points at"
        versions={versions}
        value={version}
        none="nothing: take it away"
        onChange={setVersion}
      />
      <p class="quiet">Whatever asks for it by this name gets the other version from then on.</p>
    </ConfirmDialog>
  )
}

export function FloorDialog({
  model,
  versions,
  floor,
  onDone,
  onClose,
}: Props & { versions: readonly Version[]; floor: number | null }) {
  const higher = versions.filter(({ version }) => floor === null || version > floor)
  const [version, setVersion] = useState(String(higher.at(-1)?.version ?? ''))
  const confirm = async () => {
    await answer(
      api.PUT('/v1/models/{name}/floor', { params: { path: { name: model } }, body: { version: Number(version) } }),
    )
    onDone(`From now on devices install nothing of ${model} that is older than version ${version}.`)
  }
  return (
    <ConfirmDialog
      title={`Raise the floor of ${model}`}
      action="Raise it"
      isDanger
      onConfirm={confirm}
      onClose={onClose}
    >
      <VersionChoice
        label="Oldest version that is still installed"
        versions={higher}
        value={version}
        onChange={setVersion}
      />
      <p>A floor only rises: no device goes back below it, not even in a rollback.</p>
    </ConfirmDialog>
  )
}

export function SealingDialog({ model, isSealed, onDone, onClose }: Props & { isSealed: boolean }) {
  const confirm = async () => {
    await answer(
      api.PUT('/v1/models/{name}/sealing', { params: { path: { name: model } }, body: { sealed: !isSealed } }),
    )
    onDone(isSealed ? `New versions of ${model} are no longer sealed.` : `New versions of ${model} are sealed.`)
  }
  return (
    <ConfirmDialog
      title={isSealed ? `Seal new versions of ${model} no longer` : `Seal new versions of ${model}`}
      action={isSealed ? 'Stop sealing' : 'Seal them'}
      isDanger={isSealed}
      onConfirm={confirm}
      onClose={onClose}
    >
      <p>
        {isSealed
          ? 'Versions registered from now on lie open in the blob store; those that are sealed stay so.'
          : 'Only devices a version is assigned to can read its files. It needs no patches then: every update is downloaded whole.'}
      </p>
    </ConfirmDialog>
  )
}

function VersionChoice({
  label,
  versions,
  value,
  none,
  onChange,
}: {
  label: string
  versions: readonly Version[]
  value: string
  /** What the choice of none is called; undefined: one must be chosen. */
  none?: string
  onChange: (value: string) => void
}) {
  return (
    <label>
      {label}
      <select value={value} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {versions.map(({ version, stage }) => (
          <option key={version} value={String(version)}>
            v{version}, {stage}
          </option>
        ))}
        {none !== undefined && <option value="">{none}</option>}
      </select>
    </label>
  )
}
