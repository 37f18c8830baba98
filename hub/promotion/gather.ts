// Gathers what gates are judged over: the version itself, its champion, the latest evaluation of each variant that counts.

import { championAlias, resolveAlias } from '../registry/aliases.ts'
import { findVersion, readManifest, type VersionRow } from '../registry/store.ts'
import type { Reader } from '../storage/database.ts'
import type { Evaluation, Evidence } from './judge.ts'
import type { CountingEvaluations } from './policy.ts'

/** The latest finished evaluation of a variant (the digest of its manifest) that counts by the policy. */
export type FindEvaluation = (
  reader: Reader,
  model: string,
  version: number,
  manifest: string,
  counting: CountingEvaluations,
) => Promise<Evaluation | null>

export async function gatherEvidence(
  reader: Reader,
  row: VersionRow,
  counting: CountingEvaluations,
  findEvaluation: FindEvaluation,
): Promise<Evidence> {
  const { model, version } = row
  const champion = await resolveAlias(reader, model, championAlias)
  const championRow = champion === undefined ? undefined : await findVersion(reader, model, champion)
  const variants: Evidence['variants'][number][] = []
  for (const { variant, digest } of row.variants) {
    variants.push({ variant, evaluation: await findEvaluation(reader, model, version, digest, counting) })
  }
  return {
    version,
    ...ownOf(row),
    profiles: profilesOf(row),
    champion: championRow === undefined ? null : { version: championRow.version, ...ownOf(championRow) },
    variants,
  }
}

/** Of several variants the largest counts: none may be beyond a limit. */
function ownOf({ variants, metrics }: VersionRow): Pick<Evidence, 'measures' | 'metrics'> {
  const sizes = variants.map(({ payload }) =>
    readManifest(payload).files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0),
  )
  const parameters = variants.map(({ inspection }) => inspection.parameters)
  return { measures: { size: Math.max(...sizes), parameters: Math.max(...parameters) }, metrics }
}

/** A version runs on a profile where one of its variants fits it; an estimate that speaks against it decides nothing. */
function profilesOf({ variants }: VersionRow): Evidence['profiles'] {
  const all = variants.flatMap(({ variant, compatibility }) =>
    compatibility.profiles.map((found) => ({ ...found, variant })),
  )
  return Object.fromEntries(
    [...Map.groupBy(all, ({ profile }) => profile)].map(([profile, found]) => {
      const verdicts = found.map(({ verdict }) => verdict)
      const runs = verdicts.includes('fits') ? true : verdicts.includes('unlikely') ? null : false
      const reason = found.flatMap(({ variant, reasons }) => reasons.map((why) => `${variant}: ${why}`)).join('; ')
      return [profile, { runs, reason }]
    }),
  )
}
