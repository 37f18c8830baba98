// What a token lets do: its role, which scopes it is narrowed to, which models it is restricted to. Pure.

import { z } from 'zod'

export const roles = ['viewer', 'ci', 'operator', 'approver', 'admin'] as const
export const Role = z.enum(roles)
export type Role = z.infer<typeof Role>

/** What a route may ask for. `device` is a gateway with its own secret (HTTP Basic, device id and secret). */
export type Scope = Role | 'device'

/** Everyone who is let in may look; beyond that each role does one thing, so that who ships cannot also approve. */
const scopesOf: Readonly<Record<Role, ReadonlySet<Scope>>> = {
  viewer: new Set<Scope>(['viewer']),
  ci: new Set<Scope>(['viewer', 'ci']),
  operator: new Set<Scope>(['viewer', 'operator']),
  approver: new Set<Scope>(['viewer', 'approver']),
  admin: new Set<Scope>(['viewer', 'ci', 'operator', 'approver', 'admin']),
}

/** A scope everywhere (`ci`), or in one area of the API (`ci:datasets`). */
export const ScopeGrant = z
  .string()
  .regex(/^(viewer|ci|operator|approver|admin)(:[a-z][a-z0-9-]{0,39})?$/, 'is a scope, like ci, or ci:datasets')
/** A model, or with * at its end all whose names begin so. */
export const ModelGrant = z
  .string()
  .min(1)
  .max(256)
  .refine((grant) => /^[^*\p{Cc}]*[^\p{Cc}]$/u.test(grant), 'is a model, or a prefix and *')

/** null: not narrowed. */
export type Grants = { role: Role; scopes: readonly string[] | null; models: readonly string[] | null }

/** What no token is narrowed out of: whose name stands behind an actor, that something has changed, and what routes a hub
 *  has. */
const commonAreas: ReadonlySet<string> = new Set(['actors', 'live', 'openapi.json'])

/** Whether a token may do in `area` what `scope` stands for. */
export const holdsScope = ({ role, scopes }: Grants, scope: Scope, area: string): boolean =>
  scopesOf[role].has(scope) &&
  (scopes === null || scopes.includes(scope) || scopes.includes(`${scope}:${area}`) || commonAreas.has(area))

/** Everything a token may do, as grants: `operator` everywhere, `operator:devices` in one area. */
export const scopesHeld = ({ role, scopes }: Grants): string[] =>
  scopes === null
    ? [...scopesOf[role]]
    : scopes.filter((grant) => [...scopesOf[role]].some((scope) => grant.split(':')[0] === scope))

/** Whether a token restricted to `models` may touch `model`. */
export const grantsModel = (models: Grants['models'], model: string): boolean =>
  models === null ||
  models.some((grant) => (grant.endsWith('*') ? model.startsWith(grant.slice(0, -1)) : grant === model))

/** The first of `scopes` that the role does not have: narrowing cannot give. */
export const beyondRole = (role: Role, scopes: readonly string[]): string | undefined =>
  scopes.find((grant) => !roles.some((scope) => scopesOf[role].has(scope) && grant.split(':')[0] === scope))

/** Which part of the API a path belongs to: `datasets` of /v1/datasets/x, `mlflow` of /api/2.0/mlflow/… */
export function areaOf(path: string): string {
  const [first = '', second = '', third = ''] = path.split('/').slice(1)
  if (first === 'v1') return second
  // MLflow's: /api/2.0/mlflow, /api/2.0/mlflow-artifacts, the same below /ajax-api, and two without any of it
  const isMlflows = (first === 'api' || first === 'ajax-api') && third.startsWith('mlflow')
  return isMlflows || first === 'get-artifact' || first === 'model-versions' ? 'mlflow' : first
}

/** The model that a path is about, where it names one: /v1/models/vibration/… */
export function modelOf(path: string): string | undefined {
  const [, segment] = /^\/v1\/models\/([^/]+)/.exec(path) ?? []
  if (segment === undefined) return undefined
  try {
    return decodeURIComponent(segment)
  } catch {
    return segment
  }
}
