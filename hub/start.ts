// Puts a hub together out of its settings: folder, database, blobs, keys, then the slices, then the API; and takes it
// apart in the opposite order.

import { randomBytes } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Logger } from 'pino'
import { collectDefaultMetrics, Registry } from 'prom-client'
import { createApp, type Routes } from './app.ts'
import { type Config, publicUrl } from './config.ts'
import { mayReadBlob } from './fleet/desired.ts'
import { authenticateDevice } from './fleet/devices.ts'
import { openAuditKeeper } from './governance/audit-keeper.ts'
import { makeFirstToken } from './governance/first-token.ts'
import { forgetUnanswered } from './governance/idempotency.ts'
import { type HttpServer, startHttpServer } from './http-server.ts'
import type { Hub } from './hub.ts'
import { openKeys } from './keys.ts'
import { removeOpened } from './sealing/bundle-content.ts'
import { startSlices } from './slices.ts'
import { openBlobs } from './storage/blobs.ts'
import { openDatabase } from './storage/database.ts'
import { lockFolder } from './storage/lock.ts'
import { readBrokerAuthority, readTls } from './tls.ts'
import { recordRoot } from './trust/next-root.ts'

export type RunningHub = {
  hub: Hub
  app: Routes
  url: string
  ports: Readonly<Record<string, number | undefined>>
  /** Told once: only its hash is kept. Undefined where there were tokens already. */
  adminToken: string | undefined
  close(): Promise<void>
}

/** @param newAdminToken makes an admin token also where there are some, for one who lost theirs
 *  @throws FolderInUseError, MigrationError, KeysError, TrustError, the errors of listen(2) and of reading files */
export async function startHub(config: Config, log: Logger, newAdminToken = false): Promise<RunningHub> {
  const opened = new AsyncDisposableStack()
  const stopping = new AbortController()
  const close = () => {
    // first: what works for ever ends, so that what waits for it can
    stopping.abort()
    return opened.disposeAsync()
  }
  try {
    const hub = await openHub(config, log, stopping.signal, opened)
    // before whatever writes, so that it closes after
    const audit = await openAuditKeeper(hub, join(config.dataDir, 'keys'))
    opened.defer(() => audit.close())
    await recordRoot(hub, hub.keys.root, { actor: 'hub', requestId: undefined })
    await forgetUnanswered(hub.database)
    const { routes, ports } = await startSlices(hub, opened)
    const app = createApp(hub, routes)
    const server: HttpServer = await startHttpServer(hub, app)
    opened.defer(() => server.close())
    // last: it is told in what this returns, and nowhere else
    const adminToken = await makeFirstToken(hub, newAdminToken)
    return {
      hub,
      app,
      url: publicUrl(config, server.port),
      ports: { http: server.port, ...ports },
      adminToken,
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Opens what the slices share; `opened` closes it. */
async function openHub(config: Config, log: Logger, stopping: AbortSignal, opened: AsyncDisposableStack): Promise<Hub> {
  const random = (length: number) => new Uint8Array(randomBytes(length))
  const { dataDir } = config
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const lock = await lockFolder(dataDir, Date.now())
  opened.defer(() => lock.close())
  await removeOpened(dataDir)
  const tls = await readTls(config)
  const brokerAuthority = await readBrokerAuthority(config)
  const database = await openDatabase(join(dataDir, 'hub.db'), log)
  opened.defer(() => database.close())
  const metrics = new Registry()
  collectDefaultMetrics({ register: metrics })
  return {
    config,
    database,
    blobs: await openBlobs(join(dataDir, 'blobs'), random),
    keys: await openKeys(join(dataDir, 'keys'), random, Date.now, log),
    log,
    clock: Date.now,
    random,
    metrics,
    tls,
    brokerAuthority,
    stopping,
    authenticateDevice: (device, secret) => authenticateDevice({ database }, device, secret),
    mayReadBlob: (device, sha256) => mayReadBlob({ database }, device, sha256),
  }
}
