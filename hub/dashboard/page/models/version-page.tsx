// One version: who shipped it, how good it is, what its gates say, what it was made of and what became of it.

import { answer, api } from '../api.ts'
import type { PageProps } from '../pages.ts'
import { ErrorState } from '../parts/error-state.tsx'
import { Loading } from '../parts/loading.tsx'
import { Tabs, tabOf } from '../parts/tabs.tsx'
import { useResource } from '../resource.ts'
import { useMay } from '../session.ts'
import { CardTab } from './card-tab.tsx'
import { EvaluationTab } from './evaluation-tab.tsx'
import { FilesTab } from './files-tab.tsx'
import { GatesTab } from './gates-tab.tsx'
import { LineageTab } from './lineage/lineage-tab.tsx'
import { modelHref, newRolloutHref } from './links.ts'
import { OverviewTab } from './overview-tab.tsx'
import { StageDot } from './stages.tsx'
import { useNotice } from './use-notice.tsx'
import { Aliases, Release } from './versions-table.tsx'
import './models.css'

const tabs = [
  { key: 'overview', title: 'Overview' },
  { key: 'evaluation', title: 'Evaluation' },
  { key: 'gates', title: 'Gates and approval' },
  { key: 'lineage', title: 'Lineage' },
  { key: 'files', title: 'Files' },
  { key: 'card', title: 'Model card' },
] as const

export function VersionPage({ parameters, address }: PageProps) {
  const { name = '', version: wanted = '' } = parameters
  const found = useResource(
    `version ${name} ${wanted}`,
    (signal) =>
      answer(api.GET('/v1/models/{name}/versions/{version}', { params: { path: { name, version: wanted } }, signal })),
    ['models'],
  )
  const may = useMay()
  const { notice, say } = useNotice()
  const version = found.value
  const tab = tabOf(address, tabs)
  if (version === undefined) {
    return found.error === undefined ? (
      <Loading rows={8} what="The version is loading" />
    ) : (
      <ErrorState error={found.error} retry={found.refresh} />
    )
  }
  return (
    <div class="stack">
      <p class="path">
        <a href="/models">Models</a> / <a href={modelHref(name)}>{name}</a>
      </p>
      <div class="title spread">
        <div class="title">
          <h1>
            {name} v{version.version}
          </h1>
          <StageDot stage={version.stage} />
          <Release version={version} />
          {version.aliases.length > 0 && <Aliases names={version.aliases} />}
        </div>
        {may('operator', 'rollouts') && version.state === 'released' && (
          <a class="button" href={newRolloutHref(name, version.version)}>
            Roll out
          </a>
        )}
      </div>
      {version.description !== '' && <p class="prose">{version.description}</p>}
      {notice}
      <Tabs label="Parts of this version" tabs={tabs} current={tab ?? 'overview'} />
      {tab === 'overview' && <OverviewTab version={version} />}
      {tab === 'evaluation' && (
        <EvaluationTab version={version} wanted={address.searchParams.get('evaluation')} say={say} />
      )}
      {tab === 'gates' && <GatesTab version={version} say={say} onChanged={found.refresh} />}
      {tab === 'lineage' && <LineageTab root={`version:${name}/${version.version}`} />}
      {tab === 'files' && <FilesTab version={version} />}
      {tab === 'card' && <CardTab version={version} />}
    </div>
  )
}
