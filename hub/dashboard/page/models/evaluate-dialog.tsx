// Asks for an evaluation: which snapshot, against which column, by which slices; filled in as the one before.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { ConfirmDialog } from '../parts/confirm-dialog.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { useResource } from '../resource.ts'

type Request = components['schemas']['NewEvaluation']
type Kind = 'own' | 'binary-classification' | 'multiclass-classification' | 'regression'

const slicesMax = 5
const fairnessMax = 3
/** Columns to choose from; more are named in the text fields of the command line. */
const columnsMax = 200

export function EvaluateDialog({
  version,
  before,
  onDone,
  onClose,
}: {
  version: Pick<components['schemas']['Version'], 'model' | 'version' | 'task'>
  before: Request | undefined
  onDone: (id: string) => void
  onClose: () => void
}) {
  const datasets = useResource('datasets', (signal) =>
    answer(api.GET('/v1/datasets', { params: { query: { limit: 200 } }, signal })),
  )
  const [dataset, setDataset] = useState(before?.dataset ?? '')
  const [label, setLabel] = useState(before?.label ?? '')
  const [slices, setSlices] = useState<readonly string[]>(before?.slices ?? [])
  const [fairness, setFairness] = useState<readonly string[]>(before?.fairness ?? [])
  const [kind, setKind] = useState<Kind>(
    before?.task?.kind ?? (version.task === null ? 'binary-classification' : 'own'),
  )
  const known = (datasets.value?.datasets ?? []).filter(({ latestVersion }) => latestVersion !== null)
  const options = known.map(({ name, latestVersion }) => `${name}/${latestVersion}`)
  const shown = dataset === '' ? (options[0] ?? '') : dataset
  const columns = useColumns(shown)
  const confirm = async () => {
    const body: Request = {
      dataset: shown,
      label: label === '' ? (columns.at(-1) ?? '') : label,
      slices: [...slices],
      fairness: kind === 'binary-classification' || kind === 'own' ? [...fairness] : [],
      ...(kind !== 'own' && { task: before?.task?.kind === kind ? before.task : { kind } }),
      ...(before?.columns !== undefined && { columns: before.columns }),
      ...(before?.cluster !== undefined && { cluster: before.cluster }),
    }
    const { id } = await answer(
      api.POST('/v1/models/{name}/versions/{version}/evaluations', {
        params: { path: { name: version.model, version: String(version.version) } },
        body,
      }),
    )
    onDone(id)
  }
  return (
    <ConfirmDialog
      title={`Evaluate ${version.model} v${version.version}`}
      action="Evaluate"
      onConfirm={confirm}
      onClose={onClose}
    >
      {datasets.value === undefined ? (
        datasets.error === undefined ? (
          <Loading rows={3} />
        ) : (
          <ErrorState error={datasets.error} />
        )
      ) : (
        <>
          <label>
            Snapshot
            <select value={shown} onChange={({ currentTarget }) => setDataset(currentTarget.value)}>
              {[...new Set([...(before === undefined ? [] : [before.dataset]), ...options])].map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            Column that holds what was true
            <select
              value={label === '' ? columns.at(-1) : label}
              onChange={({ currentTarget }) => setLabel(currentTarget.value)}
            >
              {[...new Set([...(label === '' ? [] : [label]), ...columns])].map((name) => (
                <option key={name} value={name}>
                  {name}
                </option>
              ))}
            </select>
          </label>
          <label>
            Its output means
            <select value={kind} onChange={({ currentTarget }) => setKind(kindOf(currentTarget.value))}>
              {version.task !== null && <option value="own">what the version says: {version.task.kind}</option>}
              <option value="binary-classification">one of two classes</option>
              <option value="multiclass-classification">one of several classes</option>
              <option value="regression">a number</option>
            </select>
          </label>
          <Columns
            legend={`Measured apart by the values of (at most ${slicesMax})`}
            columns={columns}
            chosen={slices}
            max={slicesMax}
            onChange={setSlices}
          />
          {(kind === 'binary-classification' || kind === 'own') && (
            <Columns
              legend={`Compared between the groups of (at most ${fairnessMax})`}
              columns={columns}
              chosen={fairness}
              max={fairnessMax}
              onChange={setFairness}
            />
          )}
        </>
      )}
    </ConfirmDialog>
  )
}

const kindOf = (text: string): Kind =>
  text === 'multiclass-classification' || text === 'regression' || text === 'own' ? text : 'binary-classification'

/** Of a snapshot `name/3`; none while it is not known, and of a digest. */
function useColumns(snapshot: string): string[] {
  const at = snapshot.lastIndexOf('/')
  const [name, version] = [snapshot.slice(0, Math.max(0, at)), Number(snapshot.slice(at + 1))]
  const found = useResource(`columns ${snapshot}`, async (signal) =>
    at < 1
      ? []
      : (
          await answer(
            api.GET('/v1/datasets/{name}/snapshots/{version}', { params: { path: { name, version } }, signal }),
          )
        ).columns.map((column) => column.name),
  )
  return (found.value ?? []).slice(0, columnsMax)
}

function Columns({
  legend,
  columns,
  chosen,
  max,
  onChange,
}: {
  legend: string
  columns: readonly string[]
  chosen: readonly string[]
  max: number
  onChange: (columns: readonly string[]) => void
}) {
  return (
    <fieldset>
      <legend>{legend}</legend>
      <div class="choices">
        {columns.map((column) => (
          <label key={column}>
            <input
              type="checkbox"
              checked={chosen.includes(column)}
              disabled={!chosen.includes(column) && chosen.length >= max}
              onChange={({ currentTarget }) =>
                onChange(currentTarget.checked ? [...chosen, column] : chosen.filter((one) => one !== column))
              }
            />
            {column}
          </label>
        ))}
      </div>
    </fieldset>
  )
}
