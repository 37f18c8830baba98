// npm run docs:http: writes docs/http-reference.md out of the document that a hub gives out.

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { z } from 'zod'
import { readConfig } from '../../hub/config.ts'
import { startHub } from '../../hub/start.ts'
import { referenceOf } from './reference.ts'

export const referenceFile = join(import.meta.dirname, '../../docs/http-reference.md')

/** The page as it is to be, of a hub that is started for it. */
export async function currentReference(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'roost-http-reference-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  try {
    const headers = { authorization: `Bearer ${running.adminToken}` }
    const response = await running.app.request('/v1/openapi.json', { headers })
    return referenceOf(z.json().parse(await response.json()))
  } finally {
    await running.close()
    await rm(folder, { recursive: true })
  }
}

if (import.meta.main) await writeFile(referenceFile, await currentReference())
