// Who would refuse the version because it does not fit the device, as far as the hub can tell beforehand: by the profiles
// that it knows, and by what devices have said of the same bundle before.

import { z } from 'zod'
import { Compatibility } from '../../registry/compatibility.ts'
import { jsonColumn, type Reader } from '../../storage/database.ts'
import { counted, named } from '../../wording.ts'
import type { Finding } from './check.ts'
import type { Membership } from './membership.ts'

const Judged = z.object({ digest: z.string(), compatibility: jsonColumn(Compatibility) })
const Refused = z.object({ digest: z.string(), device: z.string(), profile: z.string(), detail: z.string().nullable() })

const namesMax = 5

/** A warning for each profile whose devices would refuse it, with the reason. */
export async function refusalsInSight(
  reader: Reader,
  { candidates, targets }: Pick<Membership, 'candidates' | 'targets'>,
): Promise<Finding[]> {
  const digests = JSON.stringify([...new Set([...targets.values()].map(({ digest }) => digest))])
  const judged = await reader.all(
    Judged,
    'SELECT digest, compatibility FROM manifests WHERE digest IN (SELECT value FROM json_each(?))',
    [digests],
  )
  const refused = await reader.all(
    Refused,
    `SELECT r.manifest AS digest, r.device, d.profile, r.detail
     FROM device_deployments r JOIN devices d ON d.id = r.device
     WHERE r.state = 'rejected' AND r.manifest IN (SELECT value FROM json_each(?)) ORDER BY r.changed_at DESC`,
    [digests],
  )
  const profiles = Map.groupBy(candidates, ({ profile }) => profile)
  return [...profiles].flatMap(([profile, devices]): Finding[] => {
    const digest = targets.get(profile)?.digest
    const known = judged.find((one) => one.digest === digest)?.compatibility.profiles
    const verdict = known?.find((one) => one.profile === profile)
    const said = refused.find((one) => one.digest === digest && one.profile === profile)
    const why =
      verdict?.verdict === 'cannot-run'
        ? verdict.reasons.join('; ')
        : said && `${said.device} has refused it before${said.detail === null ? '' : `, because it ${said.detail}`}`
    if (why === undefined) return []
    const who = named(
      devices.map(({ device }) => device),
      namesMax,
    )
    const detail = `${counted(devices.length, 'device')} of profile ${profile} would refuse it (${who}): ${why}`
    return [{ code: 'will-refuse', field: 'version', detail }]
  })
}
