// What is looked at: a model, a group or a device; which version, how far back, by which measure.

import { type MeasureName, measureNames, measures } from '@roost/shared/drift/measures.ts'
import { useId, useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import { useResource } from '../resource.ts'
import { navigate, setQuery } from '../router.ts'
import { type HeatMap, type Kind, kinds, type Narrowed, type Subject } from './subject.ts'

export const ranges = [
  { key: '', title: 'All, at most a week', ms: undefined },
  { key: 'hour', title: 'Last hour', ms: 3_600_000 },
  { key: 'day', title: 'Last day', ms: 86_400_000 },
  { key: 'week', title: 'Last 7 days', ms: 7 * 86_400_000 },
  { key: 'month', title: 'Last 30 days', ms: 30 * 86_400_000 },
] as const

const kindNames: Record<Kind, string> = { model: 'Model', group: 'Group', device: 'Device' }
/** The most that the hub gives at once. */
const namesMax = 200

type Props = {
  subject: Subject | undefined
  narrowed: Narrowed
  range: string
  measure: MeasureName
  isNumbers: boolean
  map: HeatMap | undefined
}

export function Toolbar({ subject, narrowed, range, measure, isNumbers, map }: Props) {
  const id = useId()
  const [kind, setKind] = useState<Kind>(subject?.kind ?? 'model')
  const shownKind = subject?.kind ?? kind
  const names = useResource(`names ${shownKind}`, (signal) => namesOf(shownKind, signal))
  const offered = [...new Set([...(subject === undefined ? [] : [subject.name]), ...(names.value ?? [])])]
  const show = (name: string) => {
    if (name.trim() !== '') navigate(`/drift?${new URLSearchParams({ [shownKind]: name.trim() })}`, { replace: true })
  }
  return (
    <div class="drift-tools">
      <div>
        <label for={`${id}-kind`}>Of a</label>
        <select
          id={`${id}-kind`}
          value={shownKind}
          onChange={({ currentTarget }) => {
            const next = kinds.find((known) => known === currentTarget.value) ?? 'model'
            setKind(next)
            void namesOf(next, new AbortController().signal).then(
              ([first]) =>
                first !== undefined && navigate(`/drift?${new URLSearchParams({ [next]: first })}`, { replace: true }),
              () => undefined,
            )
          }}
        >
          {kinds.map((known) => (
            <option key={known} value={known}>
              {kindNames[known]}
            </option>
          ))}
        </select>
      </div>
      <div class="wide">
        <label for={`${id}-name`}>{kindNames[shownKind]}</label>
        {shownKind === 'device' && offered.length >= namesMax ? (
          <>
            <input
              id={`${id}-name`}
              class="mono"
              list={`${id}-names`}
              value={subject?.name ?? ''}
              onChange={({ currentTarget }) => show(currentTarget.value)}
            />
            <datalist id={`${id}-names`}>
              {offered.map((name) => (
                <option key={name} value={name} />
              ))}
            </datalist>
          </>
        ) : (
          <select
            id={`${id}-name`}
            value={subject?.name ?? ''}
            onChange={({ currentTarget }) => show(currentTarget.value)}
          >
            {offered.map((name) => (
              <option key={name} value={name}>
                {name}
              </option>
            ))}
          </select>
        )}
      </div>
      <div>
        <label for={`${id}-version`}>Version</label>
        <select
          id={`${id}-version`}
          value={narrowed.version === undefined ? '' : optionOf(shownVersion(narrowed, subject, map))}
          onChange={({ currentTarget }) => {
            const [model, version, deployment] = currentTarget.value === '' ? [] : currentTarget.value.split('/')
            setQuery('at', undefined)
            if (subject?.kind !== 'model') setQuery('model', model)
            setQuery('deployment', deployment)
            setQuery('version', version)
          }}
        >
          <option value="">the newest with a baseline</option>
          {(map?.versions ?? []).map((row) => (
            <option
              key={`${row.model}/${row.version}/${row.deployment}`}
              value={optionOf(subject?.kind === 'model' ? { ...row, model: undefined } : row)}
            >
              {row.model} v{row.version}
              {row.deployment === row.model ? '' : ` in ${row.deployment}`}
            </option>
          ))}
        </select>
      </div>
      <div>
        <label for={`${id}-range`}>Time</label>
        <select
          id={`${id}-range`}
          value={range}
          onChange={({ currentTarget }) => {
            setQuery('at', undefined)
            setQuery('range', currentTarget.value)
          }}
        >
          {ranges.map(({ key, title }) => (
            <option key={key} value={key}>
              {title}
            </option>
          ))}
        </select>
      </div>
      <div>
        <label for={`${id}-measure`}>Shades by</label>
        <select
          id={`${id}-measure`}
          value={measure}
          onChange={({ currentTarget }) => setQuery('measure', currentTarget.value)}
        >
          {measureNames.map((name) => (
            <option key={name} value={name}>
              {measures[name].title}
            </option>
          ))}
        </select>
      </div>
      <label class="check">
        <input
          type="checkbox"
          checked={isNumbers}
          onChange={({ currentTarget }) => setQuery('figures', currentTarget.checked ? 'yes' : undefined)}
        />{' '}
        Figures
      </label>
    </div>
  )
}

const optionOf = ({
  model = '',
  version,
  deployment = '',
}: { [Key in keyof Narrowed]: Narrowed[Key] | undefined }): string =>
  version === undefined ? '' : `${model}/${version}/${deployment}`

/** The version that is shown, as the hub lists it: an address may leave its deployment open. */
function shownVersion(narrowed: Narrowed, subject: Subject | undefined, map: HeatMap | undefined): Partial<Narrowed> {
  const listed = map?.versions.find(
    (row) =>
      row.version === map.version &&
      row.model === map.model &&
      (narrowed.deployment === undefined || row.deployment === narrowed.deployment),
  )
  if (listed === undefined) return narrowed
  return subject?.kind === 'model' ? { version: listed.version, deployment: listed.deployment } : listed
}

/** Names to choose from; of devices the first ones. */
export async function namesOf(kind: Kind, signal: AbortSignal): Promise<string[]> {
  const query = { limit: namesMax }
  if (kind === 'device') {
    const { devices } = await answer(api.GET('/v1/devices', { params: { query }, signal }))
    return devices.map(({ id }) => id)
  }
  if (kind === 'group') {
    const { groups } = await answer(api.GET('/v1/groups', { params: { query }, signal }))
    return groups.map(({ name }) => name)
  }
  const { models } = await answer(api.GET('/v1/models', { params: { query }, signal }))
  return models.map(({ name }) => name)
}
