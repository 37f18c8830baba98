// The HTTP API for people: every route by area, found by a word, with what it takes and answers and a command to try it.
// It is what this hub says of itself, so it fits its version.

import { useMemo, useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { PageProps } from '../pages.ts'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { useResource } from '../resource.ts'
import { areaOf, areasOf, type Json, parametersOf, type Route, routesOf, schemasOf, summaryOf } from './openapi.ts'
import { DocumentDetail, RouteDetail } from './route-detail.tsx'
import './reference.css'

export const routeName = ({ method, path }: Route): string => `${method} ${path}`
const routeHref = (route: Route): string => `/reference?route=${encodeURIComponent(routeName(route))}`

export function ReferencePage({ address }: PageProps) {
  const { value, error, refresh } = useResource('', async (signal) => {
    const told: unknown = await answer(api.GET('/v1/openapi.json', { signal }))
    // parsed JSON, whatever it is; what reads it asks at every step
    const document = told as Json
    return { routes: routesOf(document), schemas: schemasOf(document) }
  })
  const [sought, setSought] = useState('')
  const chosen = address.searchParams.get('route')
  const named = address.searchParams.get('document')
  const groups = useMemo(() => (value === undefined ? [] : grouped(value.routes, sought)), [value, sought])
  if (value === undefined)
    return error === undefined ? (
      <Loading rows={8} what="The reference is loading" />
    ) : (
      <ErrorState error={error} retry={refresh} />
    )
  const { routes, schemas } = value
  const route = routes.find((known) => routeName(known) === chosen)
  const schema = named === null || !Object.hasOwn(schemas, named) ? undefined : schemas[named]
  const isDetail = chosen !== null || named !== null
  return (
    <div class="stack">
      <div class="title">
        <h1>HTTP reference</h1>
        <p class="quiet">
          {counted(routes.length, 'route')}, as this hub has them. For programs:{' '}
          <a href="/v1/openapi.json">openapi.json</a>
        </p>
      </div>
      <div class={isDetail ? 'reference detailed' : 'reference'}>
        <nav class="card stack reference-list" aria-label="Routes">
          <label>
            Find
            <input
              type="search"
              placeholder="path, word or parameter"
              value={sought}
              onInput={({ currentTarget }) => setSought(currentTarget.value)}
            />
          </label>
          {groups.length === 0 && <p class="quiet">No route has that.</p>}
          {groups.map(([area, inArea]) => (
            <details key={area} open={sought !== '' || inArea.some((one) => one === route)}>
              <summary>
                {area} <small class="quiet">{inArea.length}</small>
              </summary>
              <ul>
                {inArea.map((one) => (
                  <li key={routeName(one)}>
                    <a href={routeHref(one)} aria-current={one === route ? 'true' : undefined} title={summaryOf(one)}>
                      <span class="method">{one.method}</span> {one.path}
                    </a>
                  </li>
                ))}
              </ul>
            </details>
          ))}
        </nav>
        <div class="reference-detail">
          {isDetail && (
            <p class="back">
              <a href="/reference">All routes</a>
            </p>
          )}
          {route !== undefined ? (
            <RouteDetail route={route} schemas={schemas} />
          ) : schema !== undefined ? (
            <DocumentDetail name={named ?? ''} schema={schema} />
          ) : isDetail ? (
            <EmptyState title="Not in this hub’s API">
              <p>{chosen ?? named}</p>
            </EmptyState>
          ) : (
            <Introduction />
          )}
        </div>
      </div>
    </div>
  )
}

function Introduction() {
  return (
    <section class="card stack">
      <h2>How it is asked</h2>
      <p>
        A token goes into <code>Authorization: Bearer roost_…</code>; a device uses HTTP Basic with its id and secret.
        What each route asks for is said with it.
      </p>
      <p>
        Whatever is refused is a problem document (RFC 9457) with <code>title</code>, <code>status</code>,{' '}
        <code>code</code> and <code>detail</code>, and the field that is wrong where there is one.
      </p>
      <p>
        Lists come in pages: <code>limit</code>, and as <code>cursor</code> the <code>next</code> of the page before. A
        change may carry an <code>Idempotency-Key</code>: sent again, it is done once.
      </p>
      <p>Choose a route on the left, or find one by a word.</p>
    </section>
  )
}

/** By area, MLflow's and what watches a hub last; only what has all the words. */
function grouped(routes: readonly Route[], sought: string): [string, Route[]][] {
  const wanted = sought.toLowerCase().split(/\s+/).filter(Boolean)
  const found = routes.filter((route) => {
    const told = [routeName(route), summaryOf(route), ...parametersOf(route).map(({ name }) => name)]
      .join(' ')
      .toLowerCase()
    return wanted.every((word) => told.includes(word))
  })
  const others = Map.groupBy(
    found.filter((route) => areaOf(route) === undefined),
    ({ path }) => (/mlflow|^\/get-artifact/.test(path) ? 'MLflow' : 'Watching a hub'),
  )
  return [...areasOf(found), ...others]
}
