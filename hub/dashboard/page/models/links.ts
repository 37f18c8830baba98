// The addresses of what a model hangs together with.

export const modelHref = (model: string): string => `/models/${encodeURIComponent(model)}`
export const versionHref = (model: string, version: number | string, tab?: string): string =>
  `${modelHref(model)}/${encodeURIComponent(String(version))}${tab === undefined ? '' : `?tab=${tab}`}`
export const rolloutHref = (id: string): string => `/rollouts/${encodeURIComponent(id)}`
export const deviceHref = (id: string): string => `/devices/${encodeURIComponent(id)}`
export const datasetHref = (name: string): string => `/datasets/${encodeURIComponent(name)}`
export const runHref = (id: string): string => `/runs/${encodeURIComponent(id)}`
export const newRolloutHref = (model: string, version: number): string =>
  `/rollouts/new?model=${encodeURIComponent(model)}&version=${version}`
export const fleetHref = (query: string): string => `/fleet?query=${encodeURIComponent(query)}`

/** Of a node of the lineage; undefined where there is no page for it. */
export function nodeHref(kind: string, name: string, snapshots: readonly string[] = []): string | undefined {
  if (kind === 'version') {
    const at = name.lastIndexOf('/')
    return versionHref(name.slice(0, at), name.slice(at + 1))
  }
  if (kind === 'rollout') return rolloutHref(name)
  if (kind === 'device') return deviceHref(name)
  if (kind === 'run') return runHref(name)
  if (kind === 'dataset') {
    const [snapshot] = snapshots
    const at = snapshot?.lastIndexOf('/') ?? -1
    if (snapshot !== undefined && at > 0)
      return `${datasetHref(snapshot.slice(0, at))}?snapshot=${snapshot.slice(at + 1)}`
    return /^[0-9a-f]{64}$|@/.test(name) ? undefined : datasetHref(name)
  }
  return undefined
}
