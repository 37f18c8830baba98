// Two versions side by side: what differs is marked, what is alike is quiet. Where the newer one was evaluated beside the
// older as champion, figures and differences are those of the same rows.

import type { ComponentChildren } from 'preact'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { Actor } from '../parts/actor.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { grouped, inBytes } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { type Figure, figuresInOrder, isVariation, shortNumber, signed } from './figures.ts'
import { versionHref } from './links.ts'
import { RowsTable } from './rows-table.tsx'
import { tensorText } from './tensors.tsx'
import { sizeOf } from './versions-table.tsx'

type Version = components['schemas']['Version']
type Evaluation = components['schemas']['Evaluation']
type Figures = Readonly<Record<string, Figure | undefined>>
type Measured = { left: Figures; right: Figures; difference: Figures; isSameRows: boolean }
type Line = {
  name: string
  texts: [string, string]
  shown?: [ComponentChildren, ComponentChildren]
  difference?: string
}

const listedMax = 50

export function CompareVersions({ model, left, right }: { model: string; left: number; right: number }) {
  const sides = useResource(`compare ${model} ${left} ${right}`, (signal) => load(model, left, right, signal), [
    'models',
  ])
  if (sides.value === undefined) {
    return sides.error === undefined ? <Loading rows={4} /> : <ErrorState error={sides.error} retry={sides.refresh} />
  }
  const { measured } = sides.value
  return (
    <section class="card stack" aria-labelledby="compare">
      <div class="title">
        <h2 id="compare">
          Version {left} and version {right}
        </h2>
        <p class="quiet">
          {Object.keys(measured.left).length + Object.keys(measured.right).length === 0
            ? 'Neither was evaluated.'
            : measured.isSameRows
              ? 'Both measured on the same rows, in one evaluation.'
              : 'Each in its newest evaluation, which need not be of the same rows.'}
        </p>
      </div>
      <RowsTable label="Comparison">
        <thead>
          <tr>
            <th scope="col">What</th>
            {[left, right].map((version) => (
              <th key={version} scope="col">
                <a href={versionHref(model, version)}>v{version}</a>
              </th>
            ))}
            <th scope="col">Difference</th>
          </tr>
        </thead>
        <tbody>
          {linesOf(sides.value.left, sides.value.right, measured).map(({ name, texts, shown, difference }) => {
            const isAlike = texts[0] === texts[1]
            return (
              <tr key={name} class={isAlike ? 'quiet' : undefined}>
                <th scope="row">{name}</th>
                <td>{shown?.[0] ?? texts[0]}</td>
                <td>{shown?.[1] ?? texts[1]}</td>
                <td>{isAlike ? 'alike' : (difference ?? 'differs')}</td>
              </tr>
            )
          })}
        </tbody>
      </RowsTable>
    </section>
  )
}

async function load(name: string, left: number, right: number, signal: AbortSignal) {
  const document = (version: number) =>
    answer(
      api.GET('/v1/models/{name}/versions/{version}', { params: { path: { name, version: String(version) } }, signal }),
    )
  const evaluationsOf = async (version: number) => {
    const path = { name, version: String(version) }
    const { evaluations } = await answer(
      api.GET('/v1/models/{name}/versions/{version}/evaluations', {
        params: { path, query: { limit: listedMax } },
        signal,
      }),
    )
    return evaluations.filter(({ state }) => state === 'succeeded')
  }
  const whole = (version: number, id: string): Promise<Evaluation> =>
    answer(
      api.GET('/v1/models/{name}/versions/{version}/evaluations/{id}', {
        params: { path: { name, version, id } },
        signal,
      }),
    )
  const [leftVersion, rightVersion, ofLeft, ofRight] = await Promise.all([
    document(left),
    document(right),
    evaluationsOf(left),
    evaluationsOf(right),
  ])
  const together = ofRight.find(({ champion }) => champion?.version === left)
  const result = together === undefined ? undefined : (await whole(right, together.id)).result
  const measured: Measured =
    result?.champion == null
      ? { left: ofLeft[0]?.figures ?? {}, right: ofRight[0]?.figures ?? {}, difference: {}, isSameRows: false }
      : {
          left: result.champion.figures,
          right: result.figures,
          difference: result.difference,
          isSameRows: true,
        }
  return { left: leftVersion, right: rightVersion, measured }
}

function linesOf(left: Version, right: Version, measured: Measured): Line[] {
  const both = (of: (version: Version) => string): [string, string] => [of(left), of(right)]
  const numbers = (name: string, one: number | undefined, other: number | undefined, text = shortNumber): Line => {
    const said = (value: number | undefined) => (value === undefined ? '–' : text(value))
    const line: Line = { name, texts: [said(one), said(other)] }
    if (one === undefined || other === undefined) return line
    const apart = other - one
    return { ...line, difference: `${apart < 0 ? '−' : '+'}${text(Math.abs(apart))}` }
  }
  const figure = (name: string): Line => {
    const line = numbers(name, measured.left[name]?.value, measured.right[name]?.value)
    const apart = measured.difference[name]
    if (apart === undefined) return line
    return { ...line, difference: `${signed(apart.value)} (${signed(apart.low)} to ${signed(apart.high)})` }
  }
  const figures = figuresInOrder({ ...measured.left, ...measured.right })
  const metrics = new Set([left, right].flatMap((version) => Object.keys(version.metrics)))
  const list = (items: readonly string[]) => (items.length === 0 ? '–' : items.join(', '))
  return [
    { name: 'Stage', texts: both(({ stage }) => stage) },
    {
      name: 'Registered',
      texts: both(({ createdAt }) => createdAt),
      shown: [<Registered key="l" {...left} />, <Registered key="r" {...right} />],
    },
    ...figures.filter((name) => !isVariation(name, { ...measured.left, ...measured.right })).map(figure),
    ...[...metrics].map((name) => numbers(`${name}, as reported`, left.metrics[name], right.metrics[name])),
    numbers('Size of all files', sizeOf(left), sizeOf(right), inBytes),
    numbers('Parameters', left.onnx.parameters, right.onnx.parameters, grouped),
    { name: 'Operator set', texts: both(({ onnx }) => `ONNX ${onnx.opset}`) },
    { name: 'Inputs', texts: both(({ onnx }) => list(onnx.inputs.map(tensorText))) },
    { name: 'Outputs', texts: both(({ onnx }) => list(onnx.outputs.map(tensorText))) },
    { name: 'Framework', texts: both(({ framework }) => framework ?? '–') },
    { name: 'Commit', texts: both(({ commit }) => commit ?? '–') },
    { name: 'Run', texts: both(({ run }) => run ?? '–') },
    {
      name: 'Datasets',
      texts: both(({ dataset, datasets }) =>
        list([...(dataset === null ? [] : [dataset]), ...datasets.map(datasetText)]),
      ),
    },
    { name: 'Variants', texts: both(({ variants }) => list(variants.map(({ variant }) => variant))) },
  ]
}

const Registered = ({ createdAt, createdBy }: Version) => (
  <>
    <Time at={createdAt} /> by <Actor actor={createdBy} />
  </>
)

const datasetText = ({ digest, role }: Version['datasets'][number]): string => `${role} ${digest.slice(0, 12)}…`
