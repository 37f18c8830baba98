// Who refers to a snapshot: versions made of it, runs fed with it, evaluations over it.

import { z } from 'zod'
import type { Reader } from '../storage/database.ts'
import type { Snapshot } from './snapshots.ts'

export type Use = { kind: 'version' | 'run' | 'evaluation'; name: string }
const UseRow = z.object({ kind: z.enum(['version', 'run', 'evaluation']), name: z.string() })

/** The first that are found; no more than are worth naming. */
const usesShown = 10

/** A reference may be the digest or `name/version`. Another dataset with the same bytes bears those by digest as well:
 *  the last snapshot of a digest is the one that is used. */
export async function usesOf(reader: Reader, { dataset, version, digest }: Snapshot): Promise<Use[]> {
  const named = `${dataset}/${version}`
  const Elsewhere = z.object({ n: z.number() })
  const others = await reader.first(
    Elsewhere,
    'SELECT count(*) AS n FROM dataset_snapshots WHERE digest = ? AND NOT (dataset = ? AND version = ?)',
    [digest, dataset, version],
  )
  // a name that is no reference at all matches nothing
  const byDigest = (others?.n ?? 0) > 0 ? named : digest
  return reader.all(
    UseRow,
    `SELECT 'version' AS kind, model || '/' || version AS name FROM version_datasets WHERE dataset IN (?, ?)
      UNION SELECT 'version', model || '/' || version FROM versions WHERE dataset IN (?, ?)
      UNION SELECT 'run', runs.id FROM run_datasets JOIN run_inputs ON run_inputs.dataset = run_datasets.id
        JOIN runs ON runs.number = run_inputs.run WHERE run_datasets.digest = ?
      UNION SELECT 'evaluation', id FROM evaluations WHERE dataset IN (?, ?)
      LIMIT ${usesShown}`,
    [named, byDigest, named, byDigest, byDigest, named, byDigest],
  )
}
