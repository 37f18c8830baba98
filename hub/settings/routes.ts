// How this hub is set up and how it is doing, for who runs it: version, addresses, settings, certificate, disk, bounds.
// Secrets are not in it.

import { X509Certificate } from 'node:crypto'
import { stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { messageBytesMax } from '@roost/shared/protocol/messages.ts'
import { bodyBytesMax } from '../app.ts'
import { publicMqttUrl, publicUrl } from '../config.ts'
import { brokerLimits } from '../fleet/broker.ts'
import { deploymentsMax } from '../fleet/desired.ts'
import type { Fleet } from '../fleet/fleet.ts'
import { type HubEnv, scoped } from '../governance/access.ts'
import type { Hub } from '../hub.ts'
import hubPackage from '../package.json' with { type: 'json' }
import { problems } from '../problem.ts'
import { unlessMissing } from '../storage/files.ts'
import { shownSettings } from './shown.ts'

const Time = z.iso.datetime()
const Bytes = z.number().int().nonnegative()

export const SettingsDocument = z
  .object({
    version: z.string(),
    node: z.string(),
    startedAt: Time,
    urls: z
      .object({ http: z.string(), mqtt: z.string() })
      .openapi({ description: 'where devices and people reach it' }),
    ports: z.object({ mqtt: z.number().int().nullable(), mqttWebSocket: z.number().int().nullable() }),
    connectedDevices: z.number().int(),
    tls: z
      .object({ subject: z.string(), names: z.string().nullable(), issuer: z.string(), from: Time, until: Time })
      .nullable()
      .openapi({ description: 'the certificate that is served; null: connections are not encrypted by the hub' }),
    disk: z.object({
      folder: z.string(),
      freeBytes: Bytes,
      totalBytes: Bytes,
      databaseBytes: Bytes,
      modelBytes: Bytes.openapi({ description: 'of all files of bundles, each counted once' }),
    }),
    settings: z.array(
      z.object({
        name: z.string(),
        what: z.string(),
        value: z.string().nullable().openapi({ description: 'null: not set' }),
        isSecret: z.boolean(),
      }),
    ),
    bounds: z.array(z.object({ what: z.string(), most: z.number(), unit: z.string() })),
  })
  .openapi('Settings')

const show = createRoute({
  method: 'get',
  path: '/v1/settings',
  summary: 'How this hub is set up: version, addresses, settings without secrets, certificate, disk, bounds',
  ...scoped('operator'),
  responses: {
    200: { description: 'The settings', content: { 'application/json': { schema: SettingsDocument } } },
    ...problems(),
  },
})

export function settingsRoutes(hub: Hub, fleet: Pick<Fleet, 'ports' | 'connectedDevices'>): OpenAPIHono<HubEnv> {
  const startedAt = new Date(hub.clock()).toISOString()
  return new OpenAPIHono<HubEnv>().openapi(show, async (c) => {
    const { config } = hub
    const asked = new URL(c.req.url)
    const document: z.infer<typeof SettingsDocument> = {
      version: hubPackage.version,
      node: process.version,
      startedAt,
      urls: {
        // 0 asked for any free port: it is the one that was asked at
        http: publicUrl(config, config.httpPort === 0 ? Number(asked.port) : config.httpPort),
        mqtt: publicMqttUrl(config, fleet.ports.tcp ?? config.mqttPort),
      },
      ports: { mqtt: fleet.ports.tcp ?? null, mqttWebSocket: fleet.ports.webSocket ?? null },
      connectedDevices: fleet.connectedDevices().length,
      tls: hub.tls === undefined ? null : certificateOf(hub.tls.cert),
      disk: await diskOf(hub),
      settings: shownSettings(config),
      bounds: boundsOf(config.uploadBytesMax),
    }
    return c.json(document, 200)
  })
}

function certificateOf(pem: Buffer): z.infer<typeof SettingsDocument>['tls'] {
  const { subject, subjectAltName, issuer, validFrom, validTo } = new X509Certificate(pem)
  const iso = (text: string) => new Date(text).toISOString()
  return { subject, names: subjectAltName ?? null, issuer, from: iso(validFrom), until: iso(validTo) }
}

async function diskOf({ config, database }: Hub): Promise<z.infer<typeof SettingsDocument>['disk']> {
  const { bavail, blocks, bsize } = await statfs(config.dataDir)
  const files = await Promise.all(
    ['hub.db', 'hub.db-wal'].map((name) => unlessMissing(stat(join(config.dataDir, name)), undefined)),
  )
  const models = await database.first(
    z.object({ bytes: z.number() }),
    'SELECT total(size_bytes) AS bytes FROM (SELECT DISTINCT sha256, size_bytes FROM manifest_files)',
  )
  return {
    folder: config.dataDir,
    freeBytes: bavail * bsize,
    totalBytes: blocks * bsize,
    databaseBytes: files.reduce((sum, file) => sum + (file?.size ?? 0), 0),
    modelBytes: models?.bytes ?? 0,
  }
}

/** Those that people run into; docs/operate.md has all, and what happens then. */
const boundsOf = (uploadBytesMax: number): z.infer<typeof SettingsDocument>['bounds'] => [
  { what: 'a model file', most: uploadBytesMax, unit: 'bytes' },
  { what: 'a request that is no upload', most: bodyBytesMax, unit: 'bytes' },
  { what: 'an MQTT message', most: messageBytesMax, unit: 'bytes' },
  { what: 'connections to the broker', most: brokerLimits.connectionsMax, unit: 'connections' },
  { what: 'connections from one address', most: brokerLimits.connectionsPerAddressMax, unit: 'connections' },
  { what: 'deployments of a device', most: deploymentsMax, unit: 'deployments' },
]
