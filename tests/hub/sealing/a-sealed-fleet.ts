// Devices in a hub's database whose sealing keys the test holds, and what is wanted of them.

import { createHash } from 'node:crypto'
import { desireStatements } from '../../../hub/fleet/desired.ts'
import type { Hub } from '../../../hub/hub.ts'

export async function enrolled(hub: Pick<Hub, 'database'>, sealKeys: Record<string, Uint8Array>): Promise<void> {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  await hub.database.write([
    {
      sql: `INSERT INTO claims (id, token_sha256, labels, uses_max, created_by, created_at, expires_at)
            VALUES ('c', ?, '{}', 9, 'test', 0, 0)`,
      args: [digest('c')],
    },
    ...Object.entries(sealKeys).map(([device, key]) => ({
      sql: `INSERT INTO devices (id, labels, profile, sign_key, seal_key, secret_sha256, claim, enrolled_at)
            VALUES (?, '{}', 'generic-x64', ?, ?, ?, 'c', 0)`,
      args: [device, digest(device), key, digest(`${device}'s secret`)],
    })),
  ])
}

export async function desired(
  hub: Pick<Hub, 'database'>,
  device: string,
  deployment: string,
  manifest: string,
): Promise<void> {
  await hub.database.write(desireStatements([{ device, deployment, manifest, attempt: 1, by: 'test' }], 0))
}
