// The capabilities of the hub, started in the order in which they need each other.

import type { Routes } from './app.ts'
import type { Hub } from './hub.ts'
import { registryRoutes } from './registry/routes.ts'
import { createScorer } from './registry/score.ts'

export type Slices = { routes: Routes[]; ports: Readonly<Record<string, number | undefined>> }

/** Whatever a slice opens it defers the closing of on `opened`: last opened, first closed. */
export async function startSlices(hub: Hub, _opened: AsyncDisposableStack): Promise<Slices> {
  return { routes: [registryRoutes(hub, createScorer())], ports: {} }
}
