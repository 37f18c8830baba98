// The first start of a hub, on ports that nobody knows, and its end.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { pino } from 'pino'
import { publicUrl, readConfig } from '../config.ts'
import { startHub } from '../start.ts'

/** @param environment its ROOST_* settings
 *  @throws Error where the folder holds a hub already; what startHub throws */
export async function initHub(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<{ folder: string; url: string; token: string }> {
  // database and keys are nobody else's
  process.umask(0o077)
  const config = readConfig(environment)
  const there = `${config.dataDir} holds a hub already: start it (roost hub); without a token, roost hub --new-admin-token and roost login`
  if (existsSync(join(config.dataDir, 'hub.db'))) throw new Error(there)
  const here = { httpHost: '127.0.0.1', httpPort: 0, mqttHost: '127.0.0.1', mqttPort: 0, mqttWsPort: 0 }
  const started = await startHub({ ...config, ...here }, pino({ level: 'silent' }))
  await started.close()
  if (started.adminToken === undefined) throw new Error(there)
  return { folder: config.dataDir, url: new URL(publicUrl(config, config.httpPort)).origin, token: started.adminToken }
}
