// A hub that cannot listen ends, with a sentence: one that stayed would look like one that runs.

import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { inherited } from '../../builders/inherited.ts'

const main = fileURLToPath(new URL('../../../hub/main.ts', import.meta.url))

test.each(['ROOST_HTTP_PORT', 'ROOST_MQTT_PORT', 'ROOST_MQTT_WS_PORT'])('%s is taken', async (setting) => {
  const folder = await mkdtemp(join(tmpdir(), 'roost-port-taken-'))
  const other = createServer().listen(0, '127.0.0.1')
  try {
    await once(other, 'listening')
    const address = other.address()
    const port = typeof address === 'object' ? address?.port : undefined
    const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0', [setting]: String(port) }
    const hub = execFile(process.execPath, [main], { env: { ...inherited(), ...ports, ROOST_DATA_DIR: folder } })
    let said = ''
    hub.stderr?.on('data', (text: string) => {
      said += text
    })
    const [code] = await once(hub, 'close')
    expect({ code, said }).toEqual({ code: 1, said: `listen EADDRINUSE: address already in use 127.0.0.1:${port}\n` })
  } finally {
    other.close()
    await rm(folder, { recursive: true })
  }
})
