// All the runs as columns: the params that differ, and the last value of each metric with its least and greatest.

import type { components } from '../api-types.d.ts'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { figure, runHref } from './run-values.ts'

export function SideBySide({ comparison }: { comparison: components['schemas']['RunComparison'] }) {
  const { runs, params, metrics } = comparison
  return (
    <div class="card">
      <ScrollRegion label="Side by side">
        <table>
          <thead>
            <tr>
              <td />
              {runs.map(({ id, name }) => (
                <th key={id} scope="col">
                  <a href={runHref(id)} title={id}>
                    {name}
                  </a>
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            <Heading
              text={params.length === 0 ? 'Params: no difference' : 'Params that differ'}
              columns={runs.length}
            />
            {params.map(({ key, values }) => (
              <tr key={key}>
                <th scope="row">{key}</th>
                {values.map((value, i) => (
                  <td key={runs[i]?.id}>{value ?? <span class="quiet">–</span>}</td>
                ))}
              </tr>
            ))}
            <Heading text="Metrics, last (least … greatest)" columns={runs.length} />
            {metrics.map(({ key, values }) => (
              <tr key={key}>
                <th scope="row">{key}</th>
                {values.map((value, i) => (
                  <td key={runs[i]?.id}>
                    {value === null ? (
                      <span class="quiet">–</span>
                    ) : (
                      <>
                        {figure(value.last)}
                        {value.min !== null && value.max !== null && value.points > 1 && (
                          <small class="quiet">
                            {' '}
                            ({figure(value.min)} … {figure(value.max)})
                          </small>
                        )}
                      </>
                    )}
                  </td>
                ))}
              </tr>
            ))}
          </tbody>
        </table>
      </ScrollRegion>
    </div>
  )
}

function Heading({ text, columns }: { text: string; columns: number }) {
  return (
    <tr class="heading">
      <th scope="rowgroup" colSpan={columns + 1}>
        {text}
      </th>
    </tr>
  )
}
