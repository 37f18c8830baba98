// The runs that a picture shows: the first thousand, in the order of the table.

import { answer, api } from '../api.ts'
import { pageRows } from '../paged.ts'
import { useResource } from '../resource.ts'
import { orderText, type RunsQuery, wholeFilter } from './query.ts'
import type { Run } from './run-values.ts'

/** More lines than these cover one another. */
const drawnMax = 1_000

export function useDrawnRuns(query: RunsQuery, columns: readonly string[]) {
  return useResource(JSON.stringify([query.experiment, wholeFilter(query), query.sort, columns]), async (signal) => {
    const runs: Run[] = []
    for (let cursor: string | null = null; runs.length < drawnMax; ) {
      const page: { runs: Run[]; next: string | null } = await answer(
        api.GET('/v1/runs', { params: { query: listQuery(query, columns, cursor) }, signal }),
      )
      runs.push(...page.runs)
      cursor = page.next
      if (cursor === null) break
    }
    return runs.slice(0, drawnMax)
  })
}

/** What of the list is asked for. */
export function listQuery(query: RunsQuery, columns: readonly string[], cursor: string | null) {
  const order = orderText(query.sort)
  return {
    limit: pageRows,
    filter: wholeFilter(query),
    columns: columns.length === 0 ? 'params.' : columns.join(),
    ...(query.experiment !== undefined && { experiment: query.experiment }),
    ...(order !== undefined && { order }),
    ...(cursor !== null && { cursor }),
  }
}
