// Why a version has no bundle that a device could get: there is no such model, no such version of it, it awaits its
// signature, or none of its variants fits.

import { z } from 'zod'
import { notFound, Problem } from '../problem.ts'
import { readManifest } from '../registry/store.ts'
import { BooleanColumn, BytesColumn, type Reader } from '../storage/database.ts'
import { named } from '../wording.ts'

const Known = z.object({ model_deleted: z.number().nullable(), newest: z.number().nullable() })
const Version = z.object({ deleted_at: z.number().nullable() })
const Variant = z.object({ variant: z.string(), payload: BytesColumn, signed: BooleanColumn })

/** Ask where `releasedVersion` found nothing for any of the profiles.
 *  @returns Problem not-found, version-deleted, not-signed, not-released */
export async function notReleased(
  reader: Reader,
  { model, version }: { model: string; version: number },
  profiles: readonly string[],
): Promise<Problem> {
  const known = await reader.first(
    Known,
    `SELECT deleted_at AS model_deleted,
            (SELECT max(version) FROM versions v WHERE v.model = name AND v.deleted_at IS NULL) AS newest
     FROM models WHERE name = ?`,
    [model],
  )
  if (known === undefined || known.model_deleted !== null) return notFound('model', model)
  const found = await reader.first(Version, 'SELECT deleted_at FROM versions WHERE model = ? AND version = ?', [
    model,
    version,
  ])
  const field = { field: 'version' }
  const newest = known.newest === null ? 'it has no version yet' : `its newest is ${known.newest}`
  if (found === undefined) {
    return new Problem(404, 'not-found', 'Not found', `there is no version ${version} of ${model}; ${newest}`, field)
  }
  if (found.deleted_at !== null) {
    const detail = `version ${version} of ${model} is deleted; ${newest}`
    return new Problem(409, 'version-deleted', 'The version is deleted', detail, field)
  }
  const variants = await reader.all(
    Variant,
    `SELECT variant, payload, envelope IS NOT NULL AS signed FROM manifests
     WHERE model = ? AND version = ? ORDER BY variant`,
    [model, version],
  )
  const unsigned = variants.filter(({ signed }) => !signed).map(({ variant }) => variant)
  if (unsigned.length === variants.length) {
    const detail = `version ${version} of ${model} awaits the signature of a release key (${named(unsigned)}); sign its manifest (roost sign) and bring the signature (roost model release)`
    return new Problem(409, 'not-signed', 'The version is not signed', detail, field)
  }
  const signed = variants
    .filter((variant) => variant.signed)
    .map(({ variant, payload }) => `${variant} for ${named(readManifest(payload).profiles) || 'any'}`)
  const waiting = unsigned.length === 0 ? '' : `; ${named(unsigned)} awaits its signature`
  const detail = `version ${version} of ${model} has no signed variant for ${named(profiles)}; signed are ${named(signed)}${waiting}`
  return new Problem(409, 'not-released', 'No variant fits', detail, field)
}
