// How requests name models, versions and their variants, and what answers are declared to be.

import { z } from '@hono/zod-openapi'
import { ModelName, Name } from '@roost/shared/protocol/names.ts'
import { notFound } from '../problem.ts'
import type { Reader } from '../storage/database.ts'
import { Alias, resolveAlias } from './aliases.ts'
import { findVersion, type VariantRow, type VersionRow } from './store.ts'

const VersionNumber = z.coerce.number().int().positive().max(1_000_000_000)

export const ModelParams = z.object({ name: ModelName })
/** By its number only: what is deleted should not depend on where an alias points. */
export const NumberParams = z.object({ name: ModelName, version: VersionNumber })
/** By its number, or by an alias: `7`, `@champion`. */
export const VersionParams = z.object({
  name: ModelName,
  version: z
    .union([VersionNumber, z.string().startsWith('@', 'is a number such as 3, or @ and an alias').max(256)])
    .openapi({ type: 'string', description: 'A number, or @ and an alias', example: '@champion' }),
})
export type VersionParams = z.infer<typeof VersionParams>
/** Which variant; the first of the version where it is not said. */
export const VariantQuery = z.object({ variant: Name.optional() })

/** @throws Problem not-found */
export async function versionNumber(reader: Reader, { name, version }: VersionParams): Promise<number> {
  if (typeof version === 'number') return version
  const alias = Alias.safeParse(version.slice(1))
  const number = alias.success ? await resolveAlias(reader, name, alias.data) : undefined
  if (number === undefined) throw notFound('alias', `${name}${version}`)
  return number
}

/** The version by its number, whatever it was called by.
 *  @throws Problem not-found */
export const numbered = async (reader: Reader, params: VersionParams): Promise<{ name: string; version: number }> => ({
  name: params.name,
  version: await versionNumber(reader, params),
})

/** @throws Problem not-found */
export async function versionOf(reader: Reader, params: VersionParams): Promise<VersionRow> {
  const number = await versionNumber(reader, params)
  const row = await findVersion(reader, params.name, number)
  if (row === undefined) throw notFound('version', `${params.name}/${number}`)
  return row
}

/** @throws Problem not-found */
export function variantOf(row: VersionRow, variant: string | undefined): VariantRow {
  const found = variant === undefined ? row.variants[0] : row.variants.find((one) => one.variant === variant)
  if (found === undefined) throw notFound('variant', `${row.model}/${row.version} ${variant}`)
  return found
}

export const json = <S extends z.ZodType>(schema: S, description: string) => ({
  description,
  content: { 'application/json': { schema } },
})
export const jsonBody = <S extends z.ZodType>(schema: S) => ({
  body: { required: true, content: { 'application/json': { schema } } },
})
