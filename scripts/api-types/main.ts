// npm run dashboard:types: writes what the page knows of the hub's API, out of the document that a hub gives out.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { z } from 'zod'
import { readConfig } from '../../hub/config.ts'
import { type RunningHub, startHub } from '../../hub/start.ts'
import { declarationsOf } from './declarations.ts'

export const typesFile = join(import.meta.dirname, '../../hub/dashboard/page/api-types.d.ts')

/** As they are to be, of a hub that runs. */
export async function currentTypes({ app, adminToken }: Pick<RunningHub, 'app' | 'adminToken'>): Promise<string> {
  const response = await app.request('/v1/openapi.json', { headers: { authorization: `Bearer ${adminToken}` } })
  return declarationsOf(z.json().parse(await response.json()))
}

if (import.meta.main) {
  const folder = await mkdtemp(join(tmpdir(), 'roost-api-types-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  await writeFile(typesFile, await currentTypes(running))
  await running.close()
  await rm(folder, { recursive: true })
}
