// Makes a version of the registry out of what an MLflow client logged: like any other it is inspected, run, given a
// manifest and signed, and remembers its run, that run's metrics and where its files came from.

import type { Context } from 'hono'
import { z } from 'zod'
import { actorOf, type HubEnv, mayTouchModel } from '../../governance/access.ts'
import type { Hub } from '../../hub.ts'
import { Problem } from '../../problem.ts'
import { resolveAlias } from '../../registry/aliases.ts'
import type { Registrar } from '../../registry/registrar.ts'
import { findVersion, readManifest } from '../../registry/store.ts'
import { isSealed } from '../../sealing/sealed-models.ts'
import type { Reader, Statement } from '../../storage/database.ts'
import type { Owner } from '../artifacts/path.ts'
import { type ArtifactRow, artifactsBelow, insertArtifact } from '../artifacts/store.ts'
import { findLoggedModel, setModelTag } from '../logged-models.ts'
import { versionUri } from './artifact-owner.ts'
import { needOwner } from './artifacts.ts'
import { doesNotExist, invalidParameter } from './error.ts'
import { writeMlModel } from './mlmodel.ts'
import { readSource } from './model-source.ts'
import { type FoundModel, findModel } from './onnx-blob.ts'

export type NewVersion = {
  name: string
  source: string
  runId: string | undefined
  modelId: string | undefined
  description: string
  tags: Record<string, string>
}

/** The version's number; that of the version that has this very content already, where there is one.
 *  @throws MlflowError, Problem */
export async function registerModel(
  hub: Hub,
  registrar: Registrar,
  c: Context<HubEnv>,
  version: NewVersion,
): Promise<number> {
  const { model, runId, modelId } = await fetchSource(hub, c, version)
  const metadata = {
    description: version.description,
    metrics: await metricsOf(hub, modelId, runId),
    ...(runId === undefined ? {} : { run: runId }),
    framework: model.framework,
    source: version.source,
    tags: version.tags,
  }
  const createdBy = actorOf(c.get('principal'))
  const { name } = version
  // what is sealed is not to lie there for download: the files of the run stay the run's
  const kept = (await isSealed(hub.database, name)) ? [] : model.files
  const beside = async (tx: Reader, number: number) => [
    ...keepFiles(`${name}/${number}`, kept, hub.clock()),
    ...(await noteVersion(tx, modelId, name, number)),
  ]
  const requestId = c.get('requestId')
  const registration = { model: name, sha256: model.sha256, metadata, createdBy, requestId, beside }
  const { version: number, isNew } = await orTheSame(registrar.registerBlob(registration))
  // a version that is there keeps the files it has: others, with the same weights, are not what was registered
  if (!isNew) await hub.database.exclusively(async (tx) => tx.write(await noteVersion(tx, modelId, name, number)))
  return number
}

/** Registered already is registered.
 *  @throws Problem */
async function orTheSame(registering: Promise<{ version: number }>): Promise<{ version: number; isNew: boolean }> {
  try {
    return { version: (await registering).version, isNew: true }
  } catch (error) {
    if (!(error instanceof Problem) || error.code !== 'repeat') throw error
    const same = z.object({ version: z.number() }).parse(error.members)
    if (error.detail.includes('deleted')) throw invalidParameter(error.message)
    return { version: same.version, isNew: false }
  }
}

type Fetched = { model: FoundModel; runId: string | undefined; modelId: string | undefined }

async function fetchSource(hub: Hub, c: Context<HubEnv>, version: NewVersion): Promise<Fetched> {
  const source = readSource(version.source, version.runId, version.modelId)
  if (source.kind === 'version') {
    mayTouchModel(c, source.model)
    return { model: await copied(hub, source), runId: version.runId, modelId: undefined }
  }
  const { owner, folder } = source
  await needOwner(hub, owner)
  const model = await findModel(hub, owner, folder)
  if (owner.kind === 'run') return { model, runId: owner.id, modelId: undefined }
  const logged = await findLoggedModel(hub.database, owner.id)
  return { model, runId: version.runId ?? logged?.source_run ?? undefined, modelId: owner.id }
}

async function copied(hub: Hub, { model, which }: { model: string; which: string }): Promise<FoundModel> {
  const { database } = hub
  const number = which.startsWith('@') ? await resolveAlias(database, model, which.slice(1)) : Number(which)
  const row = number === undefined ? undefined : await findVersion(database, model, number)
  if (row === undefined)
    throw doesNotExist(`There is no version models:/${model}${which.startsWith('@') ? '' : '/'}${which}`)
  const { files: parts, sealed } = readManifest(row.payload)
  if (sealed !== undefined) throw isClosed(model, row.version)
  const file = parts.find(({ role }) => role === 'model')
  if (file === undefined) throw doesNotExist(`The version ${model}/${row.version} has no model file`)
  const files = await artifactsBelow(database, { kind: 'version', id: `${model}/${row.version}` }, '')
  return { sha256: file.sha256, framework: row.framework ?? 'onnx', files }
}

const isClosed = (name: string, version: number) =>
  invalidParameter(`The version ${name}/${version} is sealed: only the devices it is assigned to can open its files`)

const Metrics = z.object({ key: z.string(), value: z.custom<number>((value) => typeof value === 'number') })
/** As many, and as long, as a version takes. */
const metricsMax = 200
const metricNameMax = 100

/** The logged model's own, else those of the run. */
async function metricsOf({ database }: Hub, modelId = '', runId = ''): Promise<Record<string, number>> {
  const own = await database.all(
    Metrics,
    `SELECT key, value FROM logged_model_metrics WHERE model = ? AND is_nan = 0 ORDER BY step, timestamp, value`,
    [modelId],
  )
  const rows =
    own.length > 0
      ? own
      : await database.all(
          Metrics,
          `SELECT k.key, l.value FROM runs r JOIN run_latest_metrics l ON l.run = r.number JOIN run_keys k ON k.id = l.key
            WHERE r.id = ? AND l.is_nan = 0 ORDER BY k.key`,
          [runId],
        )
  const fit = rows.filter(({ key, value }) => Number.isFinite(value) && key.length > 0 && key.length <= metricNameMax)
  const metrics = Object.fromEntries(fit.map(({ key, value }) => [key, value]))
  return Object.fromEntries(Object.entries(metrics).slice(0, metricsMax))
}

function keepFiles(id: string, files: readonly ArtifactRow[], nowMs: number): Statement[] {
  const owner: Owner = { kind: 'version', id }
  return files.map((file) => insertArtifact(owner, file, nowMs))
}

/** The tag by which clients find the versions of a logged model. */
const versionsTag = 'mlflow.modelVersions'
const Registrations = z.array(z.looseObject({ name: z.string(), version: z.number() })).catch([])

async function noteVersion(
  tx: Reader,
  modelId: string | undefined,
  name: string,
  version: number,
): Promise<Statement[]> {
  const logged = modelId === undefined ? undefined : await findLoggedModel(tx, modelId)
  if (logged === undefined) return []
  const known = Registrations.parse(parseJson(logged.tags.find(({ key }) => key === versionsTag)?.value ?? '[]'))
  if (known.some((one) => one.name === name && one.version === version)) return []
  return [setModelTag(logged.id, { key: versionsTag, value: JSON.stringify([...known, { name, version }]) })]
}

/** Clients may write into the tag too, and anything. */
function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

/** Where a client finds the files of a version; for one that was registered another way they are laid out first. */
export async function downloadUri(hub: Hub, name: string, version: number): Promise<string> {
  const { database, blobs, clock } = hub
  const id = `${name}/${version}`
  const owner: Owner = { kind: 'version', id }
  if ((await artifactsBelow(database, owner, '')).length > 0) return versionUri(id)
  const row = await findVersion(database, name, version)
  const manifest = row && readManifest(row.payload)
  if (manifest?.sealed !== undefined) throw isClosed(name, version)
  const model = manifest?.files.find(({ role }) => role === 'model')
  if (model === undefined) throw doesNotExist(`Model Version (name=${name}, version=${version}) not found`)
  const text = Buffer.from(writeMlModel('model.onnx'))
  const { sha256, sizeBytes } = await blobs.put([text], { bytesMax: text.length })
  const files = [
    { path: 'MLmodel', sha256, size_bytes: sizeBytes },
    { path: 'model.onnx', sha256: model.sha256, size_bytes: model.sizeBytes },
  ]
  await database.write(keepFiles(id, files, clock()))
  return versionUri(id)
}
