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
  /** What one must be allowed to see it; undefined: everyone who may look. */
  scope?: [scope: string, area: string]
}

export const pages: readonly Page[] = [{ path: '/fleet', nav: 'Fleet', title: 'Fleet', component: FleetPage }]
