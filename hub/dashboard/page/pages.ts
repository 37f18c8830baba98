// The pages there are: where each is, and what the navigation calls it. A page loads when it is first shown.

import type { ComponentType } from 'preact'
import { FleetPage } from './fleet/fleet-page.tsx'

export type PageProps = { parameters: Record<string, string>; address: URL }
export type Page = {
  /** As `/devices/:id`. */
  path: string
  /** In the navigation; undefined: reached from elsewhere. */
  nav?: string
  title: string
  /** The page itself, or a promise of it: `() => import('./drift/drift-page.tsx').then(({ DriftPage }) => DriftPage)`. */
  component: ComponentType<PageProps> | (() => Promise<ComponentType<PageProps>>)
  isLazy?: boolean
  /** What one must be allowed to see it; undefined: everyone. */
  scope?: [scope: string, area: string]
}

export const pages: readonly Page[] = [
  { path: '/fleet', nav: 'Fleet', title: 'Fleet', component: FleetPage, scope: ['viewer', 'fleet'] },
  {
    path: '/devices/:id',
    title: 'Device',
    component: () => import('./device/device-page.tsx').then(({ DevicePage }) => DevicePage),
    isLazy: true,
    scope: ['viewer', 'devices'],
  },
  // before /rollouts/:id, which would fit it too
  {
    path: '/rollouts/new',
    title: 'New rollout',
    component: () => import('./rollout-new/rollout-new-page.tsx').then(({ RolloutNewPage }) => RolloutNewPage),
    isLazy: true,
    scope: ['viewer', 'rollouts'],
  },
  {
    path: '/rollouts',
    nav: 'Rollouts',
    title: 'Rollouts',
    component: () => import('./rollout/rollouts-page.tsx').then(({ RolloutsPage }) => RolloutsPage),
    isLazy: true,
    scope: ['viewer', 'rollouts'],
  },
  {
    path: '/rollouts/:id',
    title: 'Rollout',
    component: () => import('./rollout/rollout-page.tsx').then(({ RolloutPage }) => RolloutPage),
    isLazy: true,
    scope: ['viewer', 'rollouts'],
  },
  {
    path: '/models',
    nav: 'Models',
    title: 'Models',
    component: () => import('./models/models-page.tsx').then(({ ModelsPage }) => ModelsPage),
    isLazy: true,
    scope: ['viewer', 'models'],
  },
  {
    path: '/models/:name',
    title: 'Model',
    component: () => import('./models/model-page.tsx').then(({ ModelPage }) => ModelPage),
    isLazy: true,
    scope: ['viewer', 'models'],
  },
  {
    path: '/models/:name/:version',
    title: 'Version',
    component: () => import('./models/version-page.tsx').then(({ VersionPage }) => VersionPage),
    isLazy: true,
    scope: ['viewer', 'models'],
  },
  {
    path: '/datasets/:name',
    title: 'Dataset',
    component: () => import('./datasets/dataset-page.tsx').then(({ DatasetPage }) => DatasetPage),
    isLazy: true,
    scope: ['viewer', 'datasets'],
  },
  {
    path: '/runs',
    nav: 'Runs',
    title: 'Runs',
    component: () => import('./runs/runs-page.tsx').then(({ RunsPage }) => RunsPage),
    isLazy: true,
    scope: ['viewer', 'runs'],
  },
  {
    path: '/runs/compare',
    title: 'Compare runs',
    component: () => import('./runs/compare-page.tsx').then(({ ComparePage }) => ComparePage),
    isLazy: true,
    scope: ['viewer', 'runs'],
  },
  {
    path: '/runs/:id',
    title: 'Run',
    component: () => import('./runs/run-page.tsx').then(({ RunPage }) => RunPage),
    isLazy: true,
    scope: ['viewer', 'runs'],
  },
  {
    path: '/drift',
    nav: 'Drift',
    title: 'Drift',
    component: () => import('./drift/drift-page.tsx').then(({ DriftPage }) => DriftPage),
    isLazy: true,
    scope: ['viewer', 'models'],
  },
  {
    path: '/audit',
    nav: 'Audit',
    title: 'Audit',
    component: () => import('./audit/audit-page.tsx').then(({ AuditPage }) => AuditPage),
    isLazy: true,
    scope: ['admin', 'audit'],
  },
  {
    path: '/access',
    nav: 'Access',
    title: 'Access',
    component: () => import('./access/access-page.tsx').then(({ AccessPage }) => AccessPage),
    isLazy: true,
    scope: ['operator', 'claims'],
  },
  {
    path: '/settings',
    nav: 'Settings',
    title: 'Settings',
    component: () => import('./settings/settings-page.tsx').then(({ SettingsPage }) => SettingsPage),
    isLazy: true,
    scope: ['operator', 'settings'],
  },
  {
    path: '/reference',
    title: 'HTTP reference',
    component: () => import('./reference/reference-page.tsx').then(({ ReferencePage }) => ReferencePage),
    isLazy: true,
  },
]
