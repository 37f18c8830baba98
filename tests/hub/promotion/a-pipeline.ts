// A hub with registry, tokens, promotion and rollouts over HTTP, a clock of the test's, and evaluations with the figures
// a test gives them.

import { z } from 'zod'
import { createApp, type Routes } from '../../../hub/app.ts'
import type { EvaluationResult } from '../../../hub/evaluation/result.ts'
import { endStatement, insertEvaluation } from '../../../hub/evaluation/store.ts'
import type { EvaluationTask } from '../../../hub/evaluation/task.ts'
import type { Role } from '../../../hub/governance/grants.ts'
import { storedEvaluation } from '../../../hub/promotion/evaluations.ts'
import { createPromotion, type Promotion } from '../../../hub/promotion/promotion.ts'
import { promotionRequestRoutes } from '../../../hub/promotion/request-routes.ts'
import { promotionRoutes } from '../../../hub/promotion/routes.ts'
import { championAlias, resolveAlias } from '../../../hub/registry/aliases.ts'
import { createRegistrar } from '../../../hub/registry/registrar.ts'
import { registryRoutes } from '../../../hub/registry/routes.ts'
import { findVersion } from '../../../hub/registry/store.ts'
import { createRollouts } from '../../../hub/rollouts/engine.ts'
import { rolloutRoutes } from '../../../hub/rollouts/routes.ts'
import { aHub, type TestHub } from '../a-hub.ts'
import { aForm, doubling, post } from '../registry/an-upload.ts'

/** A token as its holder has it. */
export type Holder = { id: string; token: string }
export type Answer = { status: number; etag: string | null; body: Record<string, unknown> }

export type Pipeline = AsyncDisposable & {
  hub: TestHub
  app: Routes
  promotion: Promotion
  clock: { nowMs: number }
  admin: Holder
  /** A token made by `by`, else by the first admin. */
  tokenOf(name: string, role: Role, by?: Holder): Promise<Holder>
  ask(who: Holder, method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answer>
  /** Registers the next version of `scale`. */
  register(who: Holder): Promise<number>
  /** Adds a variant for a profile to a version. */
  addVariant(version: number, variant: string, profile: string): Promise<number>
  putPolicy(policy: unknown, ifMatch?: string): Promise<Answer>
  /** A finished evaluation. */
  evaluate(version: number, figures?: Record<string, number>, options?: EvaluationOptions): Promise<string>
  stageOf(version: number): Promise<string>
  champion(): Promise<number | undefined>
  /** Ids of the open requests. */
  open(version?: number): Promise<string[]>
}
/** `heard`: whether the promotion hears of it. */
type EvaluationOptions = {
  variant?: string
  dataset?: string
  label?: string
  /** As the evaluation was asked for with. */
  task?: EvaluationTask
  halfWidth?: number
  heard?: boolean
}

const Made = z.object({ id: z.string(), token: z.string() })
export const policyPath = '/v1/models/scale/promotion'
export const versionPath = (version: number, what: string) => `/v1/models/scale/versions/${version}/${what}`

export async function aPipeline(): Promise<Pipeline> {
  const clock = { nowMs: 1_800_000_000_000 }
  const hub = await aHub({ parts: { clock: () => clock.nowMs } })
  const promotion = createPromotion(hub, storedEvaluation)
  const rollouts = createRollouts(hub, { isConnected: () => false, push: () => undefined })
  const app = createApp(hub, [
    registryRoutes(hub, createRegistrar(hub, doubling, promotion.consider)),
    promotionRoutes(hub, promotion),
    promotionRequestRoutes(hub, promotion),
    rolloutRoutes(hub, rollouts, { isConnected: () => false }),
  ])
  const token = await hub.tokenOf('admin')
  const admin: Holder = { token, id: token.slice('roost_'.length, 'roost_'.length + 8) }
  let different = 1_000
  let evaluations = 0

  const ask: Pipeline['ask'] = async (who, method, path, body, headers = {}) => {
    const response = await app.request(path, {
      method,
      headers: {
        authorization: `Bearer ${who.token}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    const read = z.record(z.string(), z.unknown()).parse(text === '' ? {} : JSON.parse(text))
    return { status: response.status, etag: response.headers.get('etag'), body: read }
  }
  const champion = () => resolveAlias(hub.database, 'scale', championAlias)
  return {
    hub,
    app,
    promotion,
    clock,
    admin,
    ask,
    tokenOf: async (name, role, by = admin) => Made.parse((await ask(by, 'POST', '/v1/tokens', { name, role })).body),
    register: async (who) => {
      different += 1
      const response = await post(app, who.token, aForm({ metadata: { limits: { trialMs: different } } }))
      return z.object({ version: z.number() }).parse(await response.json()).version
    },
    addVariant: async (version, variant, profile) => {
      different += 1
      const metadata = { variant, profiles: [profile], limits: { trialMs: different } }
      const response = await app.request(versionPath(version, 'variants'), {
        method: 'POST',
        headers: { authorization: `Bearer ${admin.token}` },
        body: aForm({ metadata }),
      })
      return response.status
    },
    putPolicy: async (policy, ifMatch = '*') => ask(admin, 'PUT', policyPath, policy, { 'if-match': ifMatch }),
    evaluate: async (
      version,
      values = { accuracy: 0.95 },
      { dataset = 'd'.repeat(64), label = 'y', task, halfWidth = 0, heard = true, variant } = {},
    ) => {
      evaluations += 1
      const id = `e-${String(evaluations).padStart(6, '0')}`
      const against = await champion()
      const variants = (await findVersion(hub.database, 'scale', version))?.variants ?? []
      const manifest = variants.find((one) => variant === undefined || one.variant === variant)?.digest
      if (manifest === undefined) throw new Error(`version ${version} has no variant ${variant}`)
      const figure = (value: number) => ({ value, low: value - halfWidth, high: value + halfWidth })
      const figures = Object.fromEntries(Object.entries(values).map(([name, value]) => [name, figure(value)]))
      const compared = against === undefined ? null : { version: against, figures }
      const difference =
        compared === null ? {} : Object.fromEntries(Object.keys(values).map((name) => [name, figure(0)]))
      await hub.database.write([
        insertEvaluation({
          id,
          model: 'scale',
          version,
          state: 'queued',
          code: null,
          reason: null,
          request: {
            dataset,
            label,
            ...(task && { task }),
            columns: {},
            seed: 1,
            slices: [],
            fairness: [],
            importance: false,
          },
          dataset,
          manifest,
          champion_version: against ?? null,
          champion_manifest: null,
          no_champion: against === undefined ? 'none' : null,
          code_version: 'test',
          created_by: 'test',
          created_at: clock.nowMs,
          started_at: null,
          ended_at: null,
          result: null,
        }),
        endStatement(
          id,
          { state: 'succeeded', result: aResult({ figures, champion: compared, difference }) },
          clock.nowMs,
        ),
      ])
      if (heard) await promotion.consider('scale', version)
      return id
    },
    stageOf: async (version) => {
      const { stage } = z
        .object({ stage: z.string() })
        .parse((await ask(admin, 'GET', `/v1/models/scale/versions/${version}`)).body)
      return stage
    },
    champion,
    open: async (version) => {
      const { body } = await ask(admin, 'GET', '/v1/promotion-requests?state=open&limit=200')
      const { requests } = z
        .object({ requests: z.array(z.object({ id: z.string(), version: z.number() })) })
        .parse(body)
      return requests.filter((request) => version === undefined || request.version === version).map(({ id }) => id)
    },
    [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose](),
  }
}

const aResult = (found: Pick<EvaluationResult, 'figures' | 'champion' | 'difference'>): EvaluationResult => ({
  rows: 100,
  rowsLeftOut: { unlabelled: 0, unplaced: 0, unanswered: 0 },
  task: { kind: 'regression' },
  noChampion: null,
  unmeasured: {},
  slices: [],
  slicesLeftOut: {},
  confusion: null,
  calibration: null,
  fairness: [],
  importance: null,
  latency: { at: 'hub', p50Ms: null, p99Ms: null },
  interval: { method: 'percentile bootstrap', level: 0.95, resamples: 1000, by: 'row' },
  ...found,
})

/** Production behind a gate and approvals; staging behind nothing. */
export const approvedBy = (needed: number, over: Record<string, unknown> = {}) => ({
  stages: {
    staging: { automatic: true },
    production: { gates: ['accuracy >= 0.9'], automatic: true, approvals: { needed, expireDays: 2 } },
  },
  ...over,
})
