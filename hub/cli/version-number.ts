// A version as it is typed, a number or @ and an alias, as the number that a request holds.

import { z } from 'zod'
import type { Client } from './client.ts'

const Found = z.looseObject({ version: z.number().int() })

/** @param reference as `versionReference` lets through: `7`, `@champion`
 *  @throws RequestError where the model has no such alias */
export async function versionNumber(client: Client, model: string, reference: string): Promise<number> {
  if (!reference.startsWith('@')) return Number(reference)
  const path = `/v1/models/${encodeURIComponent(model)}/aliases/${encodeURIComponent(reference.slice(1))}`
  return (await client.get(path, Found)).version
}
