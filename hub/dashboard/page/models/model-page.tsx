// One model: its versions and aliases, what is asked of them, where they run, and whether the data still fit.

import { useState } from 'preact/hooks'
import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import type { PageProps } from '../pages.ts'
import { Actor } from '../parts/actor.tsx'
import { AuditLink } from '../parts/audit-link.tsx'
import { EmptyState } from '../parts/empty-state.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Facts } from '../parts/facts.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted } from '../parts/quantity.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { setQuery } from '../router.ts'
import { useMay } from '../session.ts'
import { CompareVersions } from './compare-versions.tsx'
import { versionHref } from './links.ts'
import { AliasDialog, FloorDialog, SealingDialog } from './model-dialogs.tsx'
import { ModelDrift } from './model-drift.tsx'
import { PolicyCard } from './policy-card.tsx'
import { useNotice } from './use-notice.tsx'
import { VersionsTable } from './versions-table.tsx'
import { WhereItRuns } from './where-it-runs.tsx'
import './models.css'

type Version = components['schemas']['Version']
type Dialog = 'alias' | 'floor' | 'sealing'

const versionsMax = 50

export function ModelPage({ parameters, address }: PageProps) {
  const name = parameters.name ?? ''
  const model = useResource(`model ${name}`, (signal) => loadModel(name, signal), ['models'])
  const fleet = useResource(
    `fleet ${name}`,
    (signal) => answer(api.GET('/v1/fleet', { params: { query: { model: name } }, signal })),
    ['fleet'],
  )
  const { notice, say } = useNotice()
  const [dialog, setDialog] = useState<Dialog>()
  const [pages, setPages] = useState(1)
  const versions = useResource(`versions ${name} ${pages}`, (signal) => loadVersions(name, pages, signal), ['models'])
  const may = useMay()
  const { value, error } = model
  if (value === undefined) {
    return error === undefined ? (
      <Loading rows={8} what="The model is loading" />
    ) : (
      <ErrorState error={error} retry={model.refresh} />
    )
  }
  const { aliases, sealed, floor, policy, requests } = value
  const picked = pickedOf(address)
  const [left, right] = picked
  const running = fleet.value && countsOf(fleet.value.serving)
  const done = (text: string) => {
    say(text)
    model.refresh()
    versions.refresh()
  }
  return (
    <div class="stack">
      <p class="path">
        <a href="/models">Models</a>
      </p>
      <div class="title">
        <h1>{name}</h1>
        {value.model.description !== '' && <p class="quiet">{value.model.description}</p>}
      </div>
      {notice}
      {requests.map((request) => (
        <p key={request.id} class="notice warn">
          Version {request.version} waits for approval for {request.to}: {request.approved} of{' '}
          {counted(request.needed, 'approval')}.{' '}
          <a href={versionHref(name, request.version, 'gates')}>Look at its gates and answer</a>
        </p>
      ))}
      <section class="stack" aria-labelledby="versions">
        <div class="title">
          <h2 id="versions">Versions</h2>
          <p class="quiet">
            {picked.length === 1 ? `Pick another one to compare version ${left} with.` : 'Pick two to compare them.'}
          </p>
        </div>
        {versions.value === undefined ? (
          versions.error === undefined ? (
            <Loading rows={3} />
          ) : (
            <ErrorState error={versions.error} retry={versions.refresh} />
          )
        ) : versions.value.rows.length === 0 ? (
          <EmptyState title="No version yet">
            <p>
              The name is taken; register a version with <code>roost push {name} model.onnx</code>
            </p>
          </EmptyState>
        ) : (
          <VersionsTable
            versions={versions.value.rows}
            devices={running}
            picked={picked}
            onPick={(version, isPicked) =>
              setQuery(
                'compare',
                (isPicked ? [...picked, version].slice(-2) : picked.filter((other) => other !== version)).join(),
              )
            }
          />
        )}
        {versions.value?.more === true && (
          <div class="row">
            <button type="button" onClick={() => setPages(pages + 1)}>
              Show older versions
            </button>
          </div>
        )}
      </section>
      {left !== undefined && right !== undefined && (
        <CompareVersions model={name} left={Math.min(left, right)} right={Math.max(left, right)} />
      )}
      <div class="columns">
        {fleet.value === undefined ? (
          <section class="card">
            {fleet.error === undefined ? <Loading rows={3} /> : <ErrorState error={fleet.error} />}
          </section>
        ) : (
          <WhereItRuns summary={fleet.value} model={name} />
        )}
        <ModelDrift model={name} />
      </div>
      <div class="columns">
        <section class="card stack" aria-labelledby="facts">
          <h2 id="facts">About</h2>
          <Facts
            facts={[
              [
                'Made',
                <>
                  <Time at={value.model.createdAt} /> <AuditLink subject={`model:${name}`}>audit</AuditLink>
                </>,
              ],
              ['Sealing', sealed ? 'new versions are sealed: only their devices can read them' : 'off'],
              [
                'Floor',
                floor.version === null ? (
                  'none: devices install any version'
                ) : (
                  <>
                    devices install nothing older than <a href={versionHref(name, floor.version)}>v{floor.version}</a>
                  </>
                ),
              ],
              ...Object.entries(value.model.tags).map(([tag, text]) => [tag, text] as const),
            ]}
          />
          <h3>Aliases</h3>
          {aliases.length === 0 ? (
            <p class="quiet">None points anywhere.</p>
          ) : (
            <ul class="lines">
              {aliases.map(({ alias, version, changedBy, changedAt }) => (
                <li key={alias}>
                  <code>@{alias}</code> is <a href={versionHref(name, version)}>v{version}</a>
                  <small class="quiet">
                    {' '}
                    since <Time at={changedAt} />, by <Actor actor={changedBy} />
                  </small>
                </li>
              ))}
            </ul>
          )}
          <div class="row wrap">
            {may('ci', 'models') && (
              <button type="button" onClick={() => setDialog('alias')}>
                Move an alias…
              </button>
            )}
            {may('operator', 'models') && (
              <button type="button" onClick={() => setDialog('floor')}>
                Raise the floor…
              </button>
            )}
            {may('approver', 'models') && (
              <button type="button" onClick={() => setDialog('sealing')}>
                {sealed ? 'Stop sealing…' : 'Seal new versions…'}
              </button>
            )}
          </div>
        </section>
        <PolicyCard revision={policy} />
      </div>
      {dialog === 'alias' && (
        <AliasDialog
          model={name}
          versions={versions.value?.rows ?? []}
          aliases={aliases}
          onDone={done}
          onClose={() => setDialog(undefined)}
        />
      )}
      {dialog === 'floor' && (
        <FloorDialog
          model={name}
          versions={versions.value?.rows ?? []}
          floor={floor.version}
          onDone={done}
          onClose={() => setDialog(undefined)}
        />
      )}
      {dialog === 'sealing' && (
        <SealingDialog model={name} isSealed={sealed} onDone={done} onClose={() => setDialog(undefined)} />
      )}
    </div>
  )
}

async function loadModel(name: string, signal: AbortSignal) {
  const params = { path: { name } }
  const [model, { aliases }, { sealed }, floor, policy, { requests }] = await Promise.all([
    answer(api.GET('/v1/models/{name}', { params, signal })),
    answer(api.GET('/v1/models/{name}/aliases', { params, signal })),
    answer(api.GET('/v1/models/{name}/sealing', { params, signal })),
    answer(api.GET('/v1/models/{name}/floor', { params, signal })),
    answer(api.GET('/v1/models/{name}/promotion', { params, signal })),
    answer(api.GET('/v1/promotion-requests', { params: { query: { model: name, state: 'open' } }, signal })),
  ])
  return { model, aliases, sealed, floor, policy, requests }
}

async function loadVersions(
  name: string,
  pages: number,
  signal: AbortSignal,
): Promise<{ rows: Version[]; more: boolean }> {
  const rows: Version[] = []
  let cursor: string | null = null
  for (let page = 0; page < pages; page++) {
    const query: { limit: number; cursor?: string } = { limit: versionsMax, ...(cursor !== null && { cursor }) }
    const body: { versions: Version[]; next: string | null } = await answer(
      api.GET('/v1/models/{name}/versions', { params: { path: { name }, query }, signal }),
    )
    rows.push(...body.versions)
    cursor = body.next
    if (cursor === null) break
  }
  return { rows, more: cursor !== null }
}

/** Devices by version, in whatever deployments. */
function countsOf(serving: components['schemas']['FleetSummary']['serving']): Map<number, number> {
  const counts = new Map<number, number>()
  for (const { version, devices } of serving) {
    if (version !== null) counts.set(version, (counts.get(version) ?? 0) + devices)
  }
  return counts
}

function pickedOf(address: URL): number[] {
  const numbers = (address.searchParams.get('compare') ?? '').split(',').map(Number)
  return [...new Set(numbers)].filter((number) => Number.isInteger(number) && number > 0).slice(-2)
}
