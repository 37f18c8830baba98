// Who may come in at a broker of one's own, read as a whole: the same answers as `authenticateDevice` and `mayReadBlob`
// give for one device at a time.

import { Digest } from '@roost/shared/protocol/names.ts'
import { z } from 'zod'
import { jsonColumn, type Reader } from '../../storage/database.ts'
import type { Admitted } from './access-files.ts'

/** Devices read in one go; others get a turn in between. */
const rowsPerRead = 1_000

const DeviceRow = z.object({ id: z.string(), password: z.string(), manifests: jsonColumn(z.array(Digest)) })

/** Every device that is not revoked and has a password for such a broker, with the blobs it may read. */
export async function admittedDevices(reader: Reader): Promise<Admitted[]> {
  const blobs = await blobsByManifest(reader)
  const admitted: Admitted[] = []
  for (let after = ''; ; ) {
    const rows = await reader.all(
      DeviceRow,
      `SELECT id, broker_password AS password,
         (SELECT json_group_array(DISTINCT manifest) FROM desired WHERE device = devices.id) AS manifests
       FROM devices WHERE id > ? AND revoked_at IS NULL AND broker_password IS NOT NULL ORDER BY id LIMIT ?`,
      [after, rowsPerRead],
    )
    for (const { id: device, password, manifests } of rows) {
      const theirs = new Set(manifests.flatMap((manifest) => blobs.get(manifest) ?? []))
      admitted.push({ device, password, blobs: [...theirs].sort() })
    }
    const last = rows.at(-1)
    if (last === undefined || rows.length < rowsPerRead) return admitted
    after = last.id
  }
}

/** Files of the bundles that are wanted anywhere, and the patches that make them. */
async function blobsByManifest(reader: Reader): Promise<Map<Digest, Digest[]>> {
  const rows = await reader.all(
    z.object({ manifest: Digest, blob: Digest }),
    `WITH wanted AS (SELECT manifest, sha256 FROM manifest_files WHERE manifest IN (SELECT manifest FROM desired))
     SELECT manifest, sha256 AS blob FROM wanted
     UNION SELECT w.manifest, d.patch FROM deltas d JOIN wanted w ON w.sha256 = d.target WHERE d.patch IS NOT NULL`,
  )
  const found = new Map<Digest, Digest[]>()
  for (const { manifest, blob } of rows) found.set(manifest, [...(found.get(manifest) ?? []), blob])
  return found
}
