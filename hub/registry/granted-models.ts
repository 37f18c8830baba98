// Which of the registry's models a caller may see, for what is not of one model: a device, a group, a blob.

import type { Context } from 'hono'
import { z } from 'zod'
import { type HubEnv, modelsGranted } from '../governance/access.ts'
import type { Reader } from '../storage/database.ts'

/** Undefined: all, also such as the registry does not hold. Deleted ones are among them. */
export async function grantedModels(c: Context<HubEnv>, reader: Reader): Promise<string[] | undefined> {
  const principal = c.get('principal')
  if (principal.kind === 'device' || principal.models === null) return undefined
  const rows = await reader.all(z.object({ name: z.string() }), 'SELECT name FROM models ORDER BY name')
  return rows.map(({ name }) => name).filter(modelsGranted(c))
}

/** Those of the bundles that are of one of the models. */
export async function bundlesOf(
  reader: Reader,
  digests: readonly string[],
  models: readonly string[],
): Promise<Set<string>> {
  const rows = await reader.all(
    z.object({ digest: z.string() }),
    `SELECT digest FROM manifests WHERE digest IN (SELECT value FROM json_each(?))
       AND model IN (SELECT value FROM json_each(?))`,
    [JSON.stringify(digests), JSON.stringify(models)],
  )
  return new Set(rows.map(({ digest }) => digest))
}

/** Whether a bundle of one of the models carries the blob. */
export async function isBlobOf(reader: Reader, sha256: string, models: readonly string[]): Promise<boolean> {
  const row = await reader.first(
    z.object({}),
    `SELECT 1 FROM manifest_files f JOIN manifests m ON m.digest = f.manifest
     WHERE f.sha256 = ? AND m.model IN (SELECT value FROM json_each(?)) LIMIT 1`,
    [sha256, JSON.stringify(models)],
  )
  return row !== undefined
}
