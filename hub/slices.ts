// The capabilities of the hub, started in the order in which they need each other.

import type { Routes } from './app.ts'
import { backupRoutes } from './backup/routes.ts'
import { liveRoutes } from './dashboard/live.ts'
import { openSessionRoutes } from './dashboard/open-sessions.ts'
import { sessionRoutes } from './dashboard/routes.ts'
import { datasetRoutes } from './datasets/routes.ts'
import { deviceStoryRoutes } from './device-story/routes.ts'
import { createEvaluations } from './evaluation/evaluations.ts'
import { evaluationRoutes } from './evaluation/routes.ts'
import { mlflowRoutes } from './experiments/mlflow/routes.ts'
import { runRoutes } from './experiments/routes.ts'
import { differentWishStatements } from './fleet/ahead.ts'
import { startFleet } from './fleet/fleet.ts'
import { progressStatements } from './fleet/progress.ts'
import { fleetRoutes } from './fleet/routes.ts'
import type { Hub } from './hub.ts'
import { fleetHistoryRoutes } from './lineage/fleet-history-routes.ts'
import { deliverForever } from './lineage/openlineage/delivery.ts'
import { openLineageRoutes, tellerOf } from './lineage/openlineage/routes.ts'
import { lineageRoutes } from './lineage/routes.ts'
import { modelCardRoutes } from './model-card/routes.ts'
import { storedEvaluation } from './promotion/evaluations.ts'
import { createPromotion } from './promotion/promotion.ts'
import { promotionRequestRoutes } from './promotion/request-routes.ts'
import { promotionRoutes } from './promotion/routes.ts'
import { createRegistrar } from './registry/registrar.ts'
import { registryRoutes } from './registry/routes.ts'
import { createScorer } from './registry/score.ts'
import { createRollouts } from './rollouts/engine.ts'
import { evidenceRoutes } from './rollouts/evidence/routes.ts'
import { runRollouts } from './rollouts/looks.ts'
import { addRolloutMetrics } from './rollouts/metrics.ts'
import { planRoutes } from './rollouts/plan/routes.ts'
import { rolloutRoutes } from './rollouts/routes.ts'
import { systemUptime } from './rollouts/steady-clock.ts'
import { settingsRoutes } from './settings/routes.ts'
import { removeUnusedForever } from './storage/unused-blobs.ts'
import { createIngest } from './telemetry/ingest.ts'
import { expireForever } from './telemetry/retention.ts'
import { telemetryRoutes } from './telemetry/routes.ts'
import { keyRoutes } from './trust/routes.ts'
import { uploadRoutes } from './uploads/routes.ts'
import { createUploads } from './uploads/uploads.ts'

export type Slices = { routes: Routes[]; ports: Readonly<Record<string, number | undefined>> }

/** Whatever a slice opens it defers the closing of on `opened`: last opened, first closed. */
export async function startSlices(hub: Hub, opened: AsyncDisposableStack): Promise<Slices> {
  const { database, clock, log } = hub
  const ingest = createIngest({
    database,
    clock,
    log,
    onEvent: (device, event) => [
      ...progressStatements(device, event, clock()),
      ...differentWishStatements(device, event),
    ],
  })
  opened.defer(() => ingest.close())
  const fleet = await startFleet(hub, ingest)
  opened.defer(() => fleet.close())
  const score = createScorer()
  const promotion = createPromotion(hub, storedEvaluation)
  const uploads = createUploads(hub)
  const registrar = createRegistrar(
    hub,
    score,
    promotion.consider,
    (actor, id) => uploads.take({ actor }, id),
    uploads.drop,
  )
  const evaluations = createEvaluations(hub, score, promotion.consider)
  const rollouts = createRollouts(hub, fleet, {
    uptime: await systemUptime(),
    alarms: addRolloutMetrics(hub.metrics),
  })
  const { url, token } = hub.config.openLineage
  const telling = url === undefined ? [] : [deliverForever(hub, { url, token }, tellerOf(hub.config))]
  const working = [
    ...telling,
    runRollouts(hub, rollouts),
    expireForever(hub),
    removeUnusedForever(hub),
    uploads.work(),
    evaluations.work(),
    promotion.catchUp(hub.stopping),
  ]
  opened.defer(() => Promise.all(working).then(() => undefined))
  return {
    routes: [
      registryRoutes(hub, registrar),
      datasetRoutes(hub, (actor, id) => uploads.take({ actor }, id)),
      uploadRoutes(hub, uploads),
      fleetRoutes(hub, fleet),
      deviceStoryRoutes(hub, fleet),
      telemetryRoutes(hub),
      rolloutRoutes(hub, rollouts, fleet),
      planRoutes(hub, fleet),
      evidenceRoutes(hub, fleet),
      lineageRoutes(hub),
      fleetHistoryRoutes(hub),
      openLineageRoutes(hub),
      modelCardRoutes(hub),
      evaluationRoutes(hub, score, evaluations),
      promotionRoutes(hub, promotion),
      promotionRequestRoutes(hub, promotion),
      runRoutes(hub),
      mlflowRoutes(hub, registrar),
      sessionRoutes(hub),
      openSessionRoutes(hub),
      keyRoutes(hub),
      settingsRoutes(hub, fleet),
      backupRoutes(hub),
      liveRoutes(hub, fleet),
    ],
    ports: { mqtt: fleet.ports.tcp, mqttWebSocket: fleet.ports.webSocket },
  }
}
