// A whole hub inside the test's process, so that a test can put rows beside it, with an API for the real command.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Routes } from '../../../hub/app.ts'
import { readConfig } from '../../../hub/config.ts'
import type { Hub } from '../../../hub/hub.ts'
import { startHub } from '../../../hub/start.ts'
import type { Database } from '../../../hub/storage/database.ts'

export type RunningHub = AsyncDisposable & {
  url: string
  token: string
  folder: string
  mqttPort: number | undefined
  database: Database
  hub: Hub
  app: Routes
}

export async function aRunningHub(): Promise<RunningHub> {
  const folder = mkdtempSync(join(tmpdir(), 'roost-cli-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const started = await startHub(
    readConfig({ ROOST_DATA_DIR: join(folder, 'hub'), ...ports }),
    pino({ level: 'silent' }),
  )
  return {
    url: started.url,
    token: started.adminToken ?? '',
    folder,
    mqttPort: started.ports.mqtt,
    database: started.hub.database,
    hub: started.hub,
    app: started.app,
    [Symbol.asyncDispose]: async () => {
      await started.close()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
