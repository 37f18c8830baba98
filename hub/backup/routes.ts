// Backups over HTTP. They hold the keys and stay on the hub's machine: what is answered says where.

import { createRoute, OpenAPIHono, z } from '@hono/zod-openapi'
import { Gauge } from 'prom-client'
import { type HubEnv, scoped } from '../governance/access.ts'
import { changeBy, writeAudited } from '../governance/audit.ts'
import type { Hub } from '../hub.ts'
import { problems } from '../problem.ts'
import { type Backups, createBackups } from './backups.ts'
import { Backup, backupsKept } from './document.ts'

const BackupDocument = Backup.openapi('Backup')
const List = z.object({
  folder: z.string().openapi({ description: 'on the machine of the hub' }),
  kept: z.number().int(),
  backups: z.array(BackupDocument),
})

const list = createRoute({
  method: 'get',
  path: '/v1/backups',
  summary: 'The backups there are, newest first',
  ...scoped('admin'),
  responses: {
    200: { description: 'Backups', content: { 'application/json': { schema: List } } },
    ...problems(),
  },
})
const make = createRoute({
  method: 'post',
  path: '/v1/backups',
  summary: `Back up database, blobs and keys while the hub runs; the newest ${backupsKept} are kept`,
  ...scoped('admin'),
  responses: {
    201: { description: 'Made', content: { 'application/json': { schema: BackupDocument } } },
    ...problems(),
  },
})

export function backupRoutes(hub: Hub): OpenAPIHono<HubEnv> {
  const backups = createBackups(hub)
  addMetric(hub, backups)
  return new OpenAPIHono<HubEnv>()
    .openapi(list, async (c) => {
      return c.json({ folder: backups.folder, kept: backupsKept, backups: await backups.list() }, 200)
    })
    .openapi(make, async (c) => {
      const backup = await backups.make()
      const change = changeBy(c, 'backup.make', `backup:${backup.name}`, { after: backup })
      await writeAudited(hub.database, hub.clock(), [change], [])
      return c.json(backup, 201)
    })
}

function addMetric({ metrics }: Hub, { list }: Pick<Backups, 'list'>): void {
  new Gauge({
    name: 'roost_backup_newest_timestamp_seconds',
    help: 'When the newest backup was made, since 1970; 0: there is none',
    registers: [metrics],
    async collect() {
      const [newest] = await list()
      this.set(newest === undefined ? 0 : Date.parse(newest.at) / 1000)
    },
  })
}
