// The files of a run, with their sizes, each to be loaded down.

import { answer, api } from '../api.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, inBytes } from '../parts/quantity.tsx'
import { useResource } from '../resource.ts'

const shownMax = 200

export const useRunFiles = (id: string, topics: readonly string[]) =>
  useResource(
    `files:${id}`,
    (signal) => answer(api.GET('/v1/runs/{id}/artifacts', { params: { path: { id } }, signal })),
    topics,
  )

export function RunFiles({ id, topics }: { id: string; topics: readonly string[] }) {
  const { value, error, refresh } = useRunFiles(id, topics)
  return (
    <section class="card stack">
      <div class="title">
        <h2>Files</h2>
        {value !== undefined && value.files.length > 0 && (
          <small class="quiet">
            {counted(value.files.length, 'file')}
            {value.more && ' and more'}, {inBytes(value.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0))}
          </small>
        )}
      </div>
      {value === undefined ? (
        error === undefined ? (
          <Loading rows={3} />
        ) : (
          <ErrorState error={error} retry={refresh} />
        )
      ) : value.files.length === 0 ? (
        <p class="quiet">It left none.</p>
      ) : (
        <table class="pairs">
          <tbody>
            {value.files.slice(0, shownMax).map(({ path, sizeBytes, model, download, sha256 }) => (
              <tr key={download}>
                <th scope="row">
                  <a href={download} download title={`sha256 ${sha256}`}>
                    {path}
                  </a>
                  {model !== null && <small class="quiet"> of {model}</small>}
                </th>
                <td class="number">{inBytes(sizeBytes)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      {value !== undefined && value.files.length > shownMax && (
        <p class="quiet">{counted(value.files.length - shownMax, 'file')} more are not shown.</p>
      )}
    </section>
  )
}
