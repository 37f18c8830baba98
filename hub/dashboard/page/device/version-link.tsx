// A version as a link to its page.

import { versionWords } from './slots.ts'

type Bundle = { model: string | null; version: number | null; manifest: string }

export function VersionLink({ of }: { of: Bundle | undefined }) {
  if (of === undefined) return <span class="quiet">–</span>
  if (of.model === null || of.version === null) return <span title={of.manifest}>{versionWords(of)}</span>
  return (
    <a href={`/models/${encodeURIComponent(of.model)}/${of.version}`} title={`manifest ${of.manifest}`}>
      {versionWords(of)}
    </a>
  )
}
