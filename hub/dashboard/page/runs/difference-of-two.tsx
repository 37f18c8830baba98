// Two of the runs against each other: what they were told, what they measured, what they left.

import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, inBytes } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { setQuery } from '../router.ts'
import { fileDifferences, metricDifferences, textDifferences } from './differences.ts'
import { useRunFiles } from './run-files.tsx'
import { figure, type Run, runHref } from './run-values.ts'

const none: readonly string[] = []
const states = {
  'only-a': 'only in the first',
  'only-b': 'only in the second',
  differs: 'differs',
  same: 'same',
} as const

export function DifferenceOfTwo({ runs, address }: { runs: readonly Run[]; address: URL }) {
  const named = (name: string, usual: number) =>
    runs.find(({ id }) => id === address.searchParams.get(name)) ?? runs[usual]
  const a = named('a', 0)
  const b = named('b', 1)
  if (a === undefined || b === undefined) return null
  const params = textDifferences(a.params, b.params)
  const metrics = metricDifferences(a.metrics, b.metrics)
  const same = Object.keys({ ...a.params, ...b.params }).length - params.length
  return (
    <div class="stack">
      <div class="runs-tools">
        <Choice label="From" runs={runs} value={a} onChange={(id) => setQuery('a', id)} />
        <Choice label="To" runs={runs} value={b} onChange={(id) => setQuery('b', id)} />
      </div>
      <div class="card">
        <ScrollRegion label="Difference of two runs">
          <table>
            <thead>
              <tr>
                <td />
                {[a, b].map(({ id, name }) => (
                  <th key={id} scope="col">
                    <a href={runHref(id)}>{name}</a>
                  </th>
                ))}
                <th scope="col">Difference</th>
              </tr>
            </thead>
            <tbody>
              <Heading
                text={`Params: ${params.length === 0 ? 'no difference' : `${counted(params.length, 'one differs', 'differ')}`}, ${same} the same`}
              />
              {params.map(({ key, a, b }) => (
                <tr key={key}>
                  <th scope="row">{key}</th>
                  <td>{a ?? <span class="quiet">–</span>}</td>
                  <td>{b ?? <span class="quiet">–</span>}</td>
                  <td />
                </tr>
              ))}
              <Heading text="Metrics, the last of each" />
              {metrics.map(({ key, a, b, difference, relative }) => (
                <tr key={key}>
                  <th scope="row">{key}</th>
                  <td>{a === undefined ? <span class="quiet">–</span> : figure(a)}</td>
                  <td>{b === undefined ? <span class="quiet">–</span> : figure(b)}</td>
                  <td>
                    {difference !== undefined && signed(difference)}
                    {relative !== undefined && <small class="quiet"> ({signed(relative * 100)} %)</small>}
                  </td>
                </tr>
              ))}
            </tbody>
          </table>
        </ScrollRegion>
      </div>
      <Files key={`${a.id} ${b.id}`} a={a.id} b={b.id} />
    </div>
  )
}

function Choice({
  label,
  runs,
  value,
  onChange,
}: {
  label: string
  runs: readonly Run[]
  value: Run
  onChange: (id: string) => void
}) {
  return (
    <label>
      {label}
      <select value={value.id} onChange={({ currentTarget }) => onChange(currentTarget.value)}>
        {runs.map(({ id, name }) => (
          <option key={id} value={id}>
            {name}
          </option>
        ))}
      </select>
    </label>
  )
}

function Files({ a, b }: { a: string; b: string }) {
  const ofA = useRunFiles(a, none)
  const ofB = useRunFiles(b, none)
  const error = ofA.error ?? ofB.error
  if (error !== undefined) return <ErrorState error={error} />
  if (ofA.value === undefined || ofB.value === undefined) return <Loading rows={2} />
  const files = fileDifferences(ofA.value.files, ofB.value.files)
  const different = files.filter(({ state }) => state !== 'same')
  return (
    <div class="card">
      <ScrollRegion label="Files">
        <h2>
          Files:{' '}
          {files.length === 0
            ? 'neither left any'
            : `${different.length === 0 ? 'no difference' : `${different.length} differ`}, ${files.length - different.length} the same`}
        </h2>
        {different.length > 0 && (
          <table>
            <tbody>
              {different.map(({ path, state, aBytes, bBytes }) => (
                <tr key={path}>
                  <th scope="row">{path}</th>
                  <td>{aBytes === undefined ? '–' : inBytes(aBytes)}</td>
                  <td>{bBytes === undefined ? '–' : inBytes(bBytes)}</td>
                  <td>{states[state]}</td>
                </tr>
              ))}
            </tbody>
          </table>
        )}
      </ScrollRegion>
    </div>
  )
}

function Heading({ text }: { text: string }) {
  return (
    <tr class="heading">
      <th scope="rowgroup" colSpan={4}>
        {text}
      </th>
    </tr>
  )
}

/** `+0.1`, `−2`, `0`: the sign that typographers use. */
const signed = (value: number): string => (value === 0 ? '0' : `${value > 0 ? '+' : '−'}${figure(Math.abs(value))}`)
