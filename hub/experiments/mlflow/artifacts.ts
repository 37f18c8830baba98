// Files of runs and logged models, up and down through the hub (MLflow's artifact proxy). They stream: nothing of them
// is held in memory, and a file that is cut on its way leaves nothing behind.

import { createRoute, z } from '@hono/zod-openapi'
import type { Context } from 'hono'
import { type HubEnv, mayTouchModel, scoped } from '../../governance/access.ts'
import { changeBy, writeAuditedIfChanged } from '../../governance/audit.ts'
import type { Hub } from '../../hub.ts'
import { Problem } from '../../problem.ts'
import { BlobError } from '../../storage/blobs.ts'
import { type Owner, pathFault, readPlace } from '../artifacts/path.ts'
import {
  type ArtifactRow,
  artifactsBelow,
  type Entry,
  entriesOf,
  filesMax,
  findArtifact,
  type PutRefusal,
  putArtifact,
  putRefusal,
  removeArtifacts,
} from '../artifacts/store.ts'
import { type MlflowApp, mlflowRoute } from './answer.ts'
import { sendFile } from './artifact-download.ts'
import { type FoundOwner, findOwner } from './artifact-owner.ts'
import { doesNotExist, invalidParameter, MlflowError } from './error.ts'
import { text } from './request.ts'

/** Of one file: models of edge devices have some megabytes, checkpoints beside them more. */
export const artifactBytesMax = 2 * 1_073_741_824

const proxy = '/api/2.0/mlflow-artifacts'
const artifacts = `${proxy}/artifacts`

/** Whether the body is a file, which is read piece by piece. */
export const isArtifactUpload = (method: string, path: string): boolean =>
  method === 'PUT' && path.startsWith(`${artifacts}/`)

export function addArtifactRoutes(app: MlflowApp, hub: Hub): void {
  // before the files, whose pattern fits it too
  addListRoutes(app, hub)
  addProxyRoutes(app, hub)
  addRefusals(app)
}

const binary = { type: 'string', format: 'binary' } as const
const Bytes = z.custom<ReadableStream>().openapi(binary)
const Refused = z.object({ error_code: z.string(), message: z.string() }).openapi('MlflowError')
const responses = {
  200: { description: 'Done', content: { 'application/json': { schema: z.looseObject({}) } } },
  default: { description: 'Refused', content: { 'application/json': { schema: Refused } } },
}
const FilePath = z.object({ path: z.string().openapi({ description: 'As in the `artifact_uri` of a run' }) })

function addProxyRoutes(app: MlflowApp, hub: Hub): void {
  const { database } = hub
  // the router takes `{path}` for one name only: the path is read by ourselves, from the URL
  const put = createRoute({
    method: 'put',
    path: `${artifacts}/{path}`,
    summary: 'MLflow: store a file of a run or a logged model',
    ...scoped('ci'),
    request: { params: FilePath, body: { content: { 'application/octet-stream': { schema: binary } } } },
    responses,
  })
  const get = createRoute({
    method: 'get',
    path: `${artifacts}/{path}`,
    summary: 'MLflow: a file of a run or a logged model, or one range of it',
    ...scoped('viewer'),
    request: { params: FilePath },
    responses: {
      200: { description: 'The file', content: { 'application/octet-stream': { schema: Bytes } } },
      206: { description: 'The range', content: { 'application/octet-stream': { schema: Bytes } } },
      default: responses.default,
    },
  })
  const remove = createRoute({
    method: 'delete',
    path: `${artifacts}/{path}`,
    summary: 'MLflow: remove a file, or a folder with all that is in it',
    ...scoped('ci'),
    request: { params: FilePath },
    responses,
  })
  for (const route of [put, get, remove]) app.openAPIRegistry.registerPath(route)
  const anyPath = `${artifacts}/*`
  app.on('PUT', [anyPath], ...put.middleware, async (c) => {
    await storeFile(hub, await filePlace(hub, c), c.req.raw.body ?? [])
    return c.json({}, 200)
  })
  app.on('GET', [anyPath], ...get.middleware, async (c) => {
    const { owner, path } = await filePlace(hub, c)
    mayRead(c, owner)
    return sendFile(hub, c, await needFile(hub, owner, path))
  })
  app.on('DELETE', [anyPath], ...remove.middleware, async (c) => {
    const place = await filePlace(hub, c)
    assertOpen(place)
    const { owner, path } = place
    const kind = owner.kind === 'model' ? 'logged-model' : owner.kind
    const change = changeBy(c, 'artifact.remove', `${kind}:${owner.id}`, { before: { path } })
    const [removed = 0] = await writeAuditedIfChanged(database, hub.clock(), change, [removeArtifacts(owner, path)])
    if (removed === 0) throw doesNotExist(`There is no file ${JSON.stringify(path)}.`)
    return c.json({}, 200)
  })
}

function addListRoutes(app: MlflowApp, hub: Hub): void {
  const Path = text(2_048).optional()
  mlflowRoute(
    app,
    {
      method: 'get',
      path: artifacts,
      summary: 'the files in a folder of a run or a logged model',
      scope: 'viewer',
      fields: z.object({ path: Path }),
    },
    async ({ path = '' }, c) => {
      const { owner, path: folder } = await ownedPlace(hub, path)
      mayRead(c, owner)
      return shown(await entriesIn(hub, owner, folder), '')
    },
  )
  mlflowRoute(
    app,
    {
      method: 'get',
      path: 'artifacts/list',
      summary: 'the files of a run',
      scope: 'viewer',
      fields: z.object({ run_id: text(64).optional(), run_uuid: text(64).optional(), path: Path }),
    },
    async ({ run_id, run_uuid, path = '' }) => {
      const id = run_id ?? run_uuid
      if (id === undefined) throw invalidParameter("Missing value for required parameter 'run_id'.")
      return listFolder(hub, { kind: 'run', id }, path)
    },
  )
  const Downloaded = {
    ...responses,
    200: { description: 'The file', content: { 'application/octet-stream': { schema: Bytes } } },
  }
  const query = z.object({ path: text(2_048), run_id: text(64).optional(), run_uuid: text(64).optional() })
  const download = createRoute({
    method: 'get',
    path: '/get-artifact',
    summary: 'MLflow: a file of a run',
    ...scoped('viewer'),
    request: { query },
    responses: Downloaded,
  })
  app.openAPIRegistry.registerPath(download)
  app.on('GET', ['/get-artifact'], ...download.middleware, async (c) => {
    const { path = '', run_id, run_uuid } = c.req.query()
    const owner: Owner = { kind: 'run', id: run_id ?? run_uuid ?? '' }
    await needOwner(hub, owner)
    return sendFile(hub, c, await needFile(hub, owner, checkedPath(path)))
  })
}

/** What clients fall back from in silence. */
function addRefusals(app: MlflowApp): void {
  const { middleware } = scoped('viewer')
  app.on('POST', [`${proxy}/mpu/:step`, `${proxy}/mpu/:step/*`], ...middleware, () => {
    throw new MlflowError(
      'NOT_IMPLEMENTED',
      'Multipart upload is not supported for the current artifact repository: send the file with one PUT',
    )
  })
  app.on('GET', [`${proxy}/presigned/*`, `${proxy}/mpd/presigned/*`], ...middleware, () => {
    throw new MlflowError(
      'NOT_IMPLEMENTED',
      'Presigned downloads are not supported for the current artifact repository: read the file with one GET',
    )
  })
}

/** A folder's entries with paths relative to the run or logged model, as both of MLflow's listings have them. */
export async function listFolder(hub: Hub, owner: Owner, path: string): Promise<Record<string, unknown>> {
  const { uri } = await needOwner(hub, owner)
  const folder = path === '' ? '' : checkedPath(path)
  return { root_uri: uri, ...shown(await entriesIn(hub, owner, folder), folder === '' ? '' : `${folder}/`) }
}

/** Sends a file of an owner that exists.
 *  @throws MlflowError RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE */
export async function sendOwned(hub: Hub, c: Context<HubEnv>, owner: Owner, path: string): Promise<Response> {
  await needOwner(hub, owner)
  return sendFile(hub, c, await needFile(hub, owner, checkedPath(path)))
}

async function entriesIn({ database }: Hub, owner: Owner, folder: string): Promise<Entry[]> {
  return entriesOf(await artifactsBelow(database, owner, folder), folder)
}

/** An empty list is left out, as protobuf does it. */
function shown(entries: readonly Entry[], prefix: string): Record<string, unknown> {
  if (entries.length === 0) return {}
  const files = entries.map(({ name, sizeBytes }) => ({
    path: prefix + name,
    is_dir: sizeBytes === undefined,
    ...(sizeBytes === undefined ? {} : { file_size: sizeBytes }),
  }))
  return { files }
}

type OwnedPlace = FoundOwner & { owner: Owner; path: string }

/** The file or folder that a path of the proxy names, without the slash before it.
 *  @throws MlflowError */
async function ownedPlace(hub: Hub, whole: string): Promise<OwnedPlace> {
  const trimmed = whole.replace(/\/$/, '')
  const fault = pathFault(trimmed)
  if (fault !== undefined) throw invalidPath(whole, fault)
  const place = readPlace(trimmed)
  if (place === undefined) throw invalidPath(whole, 'files lie in the artifact_uri of a run or a logged model')
  const found = await needOwner(hub, place.owner)
  if (found.root !== place.root) throw doesNotExist(`The ${place.owner.kind} ${place.owner.id} lies elsewhere.`)
  return { ...found, owner: place.owner, path: place.path }
}

async function filePlace(hub: Hub, c: Context<HubEnv>): Promise<OwnedPlace> {
  const [, encoded = ''] = /\/mlflow-artifacts\/artifacts\/([^?#]*)/.exec(c.req.raw.url) ?? []
  const place = await ownedPlace(hub, decodedOnce(encoded))
  if (place.path === '') throw invalidPath(encoded, 'it names no file')
  return place
}

function decodedOnce(encoded: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch (cause) {
    throw new MlflowError('INVALID_PARAMETER_VALUE', 'Invalid path: it is not percent-encoded UTF-8', { cause })
  }
}

function checkedPath(path: string): string {
  const fault = pathFault(path)
  if (fault !== undefined) throw invalidPath(path, fault)
  return path
}

const invalidPath = (path: string, fault: string): MlflowError =>
  invalidParameter(`Invalid path: ${JSON.stringify(path.toWellFormed().slice(0, 200))}: ${fault}`)

/** @throws MlflowError RESOURCE_DOES_NOT_EXIST */
export async function needOwner({ database }: Pick<Hub, 'database'>, owner: Owner): Promise<FoundOwner> {
  const found = await findOwner(database, owner)
  if (found === undefined) {
    const kinds = { run: 'Run', model: 'Logged model', version: 'Model version' }
    throw doesNotExist(`${kinds[owner.kind]} with id=${owner.id} not found`)
  }
  return found
}

async function needFile({ database }: Hub, owner: Owner, path: string): Promise<ArtifactRow> {
  const file = await findArtifact(database, owner, path)
  if (file === undefined) throw doesNotExist(`No such artifact: ${JSON.stringify(path)}`)
  return file
}

async function storeFile(
  hub: Hub,
  place: OwnedPlace,
  body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
): Promise<void> {
  assertOpen(place)
  const { owner, path } = place
  // asked before the bytes are taken in, and again when they are there
  refuse(path, await putRefusal(hub.database, owner, path))
  await using staged = await stage(hub, body)
  await staged.keep()
  const { sha256, sizeBytes: size_bytes } = staged
  refuse(
    path,
    await hub.database.exclusively((tx) => putArtifact(tx, owner, { path, sha256, size_bytes }, hub.clock())),
  )
}

async function stage(hub: Hub, body: AsyncIterable<Uint8Array> | Iterable<Uint8Array>) {
  try {
    return await hub.blobs.stage(body, { bytesMax: artifactBytesMax })
  } catch (error) {
    if (!(error instanceof BlobError) || error.code !== 'too-large') throw error
    throw new Problem(413, 'too-large', 'Too large', `a file may have ${artifactBytesMax} bytes`, { cause: error })
  }
}

/** A version is what was registered, for good. */
function assertOpen({ owner, isDeleted }: OwnedPlace): void {
  if (owner.kind === 'version') {
    throw new MlflowError('PERMISSION_DENIED', `The files of version ${owner.id} do not change; register a new version`)
  }
  if (isDeleted) throw invalidParameter(`The ${owner.kind} ${owner.id} is deleted.`)
}

function mayRead(c: Context<HubEnv>, { kind, id }: Owner): void {
  if (kind === 'version') mayTouchModel(c, id.split('/')[0] ?? '')
}

function refuse(path: string, refusal: PutRefusal | undefined): void {
  const why = {
    'too-many': `there are ${filesMax} files already; pack them into one`,
    'is-a-folder': 'there is a folder of that name',
    'below-a-file': 'a folder in it is the name of a file',
  }
  if (refusal !== undefined) throw invalidPath(path, why[refusal])
}
