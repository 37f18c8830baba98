// What is rolled out, and to whom: model, version with its state, deployment, group.

import { useId, useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { LabelQuery, type LabelValues } from '../parts/label-query.tsx'
import { counted } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { useMay } from '../session.ts'
import type { Draft } from './draft.ts'

type Props = {
  draft: Draft
  models: readonly string[]
  groups: readonly { name: string; query: string }[]
  labels: LabelValues
  change: (part: Partial<Draft>) => void
  refreshGroups: () => void
  faults: readonly { field: string; detail: string }[]
}

export function Subject({ draft, models, groups, labels, change, refreshGroups, faults }: Props) {
  const may = useMay()
  const [isMaking, setMaking] = useState(false)
  const { model, version, group, deployment, supersede } = draft
  const versions = useResource(
    `versions ${model}`,
    async (signal) =>
      model === ''
        ? []
        : (
            await answer(
              api.GET('/v1/models/{name}/versions', {
                params: { path: { name: model }, query: { limit: 200 } },
                signal,
              }),
            )
          ).versions,
    ['models'],
  )
  const known = versions.value ?? []
  const chosen = known.find((one) => String(one.version) === version)
  const query = groups.find(({ name }) => name === group)?.query
  const faultOf = (field: string) => faults.find((fault) => fault.field === field)?.detail
  return (
    <section class="card subject" aria-label="What goes where">
      <div class="fields">
        <Choice
          label="Model"
          value={model}
          choices={models}
          fault={faultOf('model')}
          onChange={(next) => change({ model: next, version: '' })}
        />
        <Choice
          label="Version"
          value={version}
          choices={known.map((one) => String(one.version))}
          titleOf={(choice) => {
            const one = known.find((of) => String(of.version) === choice)
            return [
              choice,
              ...(one?.aliases.map((alias) => `@${alias}`) ?? []),
              one?.state === 'released' ? '' : 'not signed',
            ]
              .filter(Boolean)
              .join(' ')
          }}
          fault={faultOf('version')}
          onChange={(next) => change({ version: next })}
        />
        <Choice
          label="Group"
          value={group}
          choices={groups.map(({ name }) => name)}
          fault={faultOf('group')}
          onChange={(next) => change({ group: next })}
        />
        {may('operator', 'groups') && (
          <button type="button" class="low" onClick={() => setMaking(true)}>
            Group by label query…
          </button>
        )}
        <Text
          label="Deployment"
          value={deployment}
          placeholder={model}
          fault={faultOf('deployment')}
          onChange={(next) => change({ deployment: next })}
        />
        <label class="check low">
          <input
            type="checkbox"
            checked={supersede}
            onChange={({ currentTarget }) => change({ supersede: currentTarget.checked })}
          />
          Take over devices of other rollouts
        </label>
      </div>
      <p class="row wrap small">
        {chosen !== undefined && (
          <>
            <a href={`/models/${encodeURIComponent(model)}/${chosen.version}`}>
              {model} v{chosen.version}
            </a>
            {chosen.state === 'released' ? (
              <StateDot tone="good">Signed</StateDot>
            ) : (
              <StateDot tone="warn">Not signed: no device would take it</StateDot>
            )}
            <span class="quiet">
              stage {chosen.stage}
              {chosen.aliases.map((alias) => `, @${alias}`).join('')}, for {profilesOf(chosen)}, made{' '}
              <Time at={chosen.createdAt} />
            </span>
          </>
        )}
        {query !== undefined && (
          <span class="quiet">
            Group {group}: <code>{query}</code>
          </span>
        )}
      </p>
      {isMaking && (
        <NewGroup
          labels={labels}
          onClose={() => setMaking(false)}
          onMade={(name) => {
            refreshGroups()
            change({ group: name })
          }}
        />
      )}
    </section>
  )
}

function profilesOf({ variants }: { variants: readonly { profiles: readonly string[] }[] }): string {
  const named = new Set(variants.flatMap(({ profiles }) => profiles))
  const isForAny = variants.some(({ profiles }) => profiles.length === 0)
  return isForAny || named.size === 0 ? 'any profile' : [...named].join(', ')
}

function NewGroup({
  labels,
  onClose,
  onMade,
}: {
  labels: LabelValues
  onClose: () => void
  onMade: (name: string) => void
}) {
  const [name, setName] = useState('')
  const [query, setQuery] = useState('')
  const fitting = useResource(`fitting ${query}`, (signal) =>
    answer(api.GET('/v1/fleet', { params: { query: { query: query === '' ? 'all' : query } }, signal })),
  )
  return (
    <ConfirmDialog
      title="A group by label query"
      action="Make the group"
      onClose={onClose}
      onConfirm={async () => {
        await answer(api.POST('/v1/groups', { body: { name, query: query === '' ? 'all' : query } }))
        onMade(name)
      }}
    >
      <Text label="Name" value={name} onChange={setName} />
      <LabelQuery value={query} labels={labels} fault={fitting.error?.problem.detail} onChange={setQuery} />
      <p class="quiet" role="status">
        {fitting.value === undefined ? '' : `${counted(fitting.value.total, 'device')} now`}
      </p>
    </ConfirmDialog>
  )
}

type ChoiceProps = {
  label: string
  value: string
  choices: readonly string[]
  titleOf?: (choice: string) => string
  fault?: string | undefined
  onChange: (value: string) => void
}

function Choice({ label, value, choices, titleOf = (choice) => choice, fault, onChange }: ChoiceProps) {
  const id = useId()
  return (
    <div class="field medium">
      <label for={id}>{label}</label>
      <select
        id={id}
        value={value}
        aria-invalid={fault !== undefined}
        onChange={({ currentTarget }) => onChange(currentTarget.value)}
      >
        <option value="">choose</option>
        {value !== '' && !choices.includes(value) && <option value={value}>{value}</option>}
        {choices.map((choice) => (
          <option key={choice} value={choice}>
            {titleOf(choice)}
          </option>
        ))}
      </select>
      {fault !== undefined && <p class="fault">{fault}</p>}
    </div>
  )
}

function Text({ label, value, placeholder, fault, onChange }: Omit<ChoiceProps, 'choices'> & { placeholder?: string }) {
  const id = useId()
  return (
    <div class="field medium">
      <label for={id}>{label}</label>
      <input
        id={id}
        value={value}
        placeholder={placeholder}
        autocomplete="off"
        spellcheck={false}
        aria-invalid={fault !== undefined}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
      {fault !== undefined && <p class="fault">{fault}</p>}
    </div>
  )
}
