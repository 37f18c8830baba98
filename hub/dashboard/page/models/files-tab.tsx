// What a device gets of a version: files, manifest and signature by variant, which profiles it fits, patches that exist.

import { answer, api } from '../api.ts'
import type { components } from '../api-types.d.ts'
import { Facts } from '../parts/facts.tsx'
import { Loading } from '../parts/loading.tsx'
import { grouped, inBytes } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import type { Tone } from '../parts/tone.ts'
import { useResource } from '../resource.ts'
import { versionHref } from './links.ts'
import { RowsTable } from './rows-table.tsx'

type Version = components['schemas']['Version']
type Variant = Version['variants'][number]

const verdicts: Record<string, { tone: Tone; title: string }> = {
  fits: { tone: 'good', title: 'fits' },
  unlikely: { tone: 'warn', title: 'unlikely' },
  'cannot-run': { tone: 'bad', title: 'cannot run' },
  excluded: { tone: 'idle', title: 'excluded' },
}

export function FilesTab({ version }: { version: Version }) {
  return (
    <div class="stack">
      {version.variants.map((variant) => (
        <VariantCard key={variant.variant} version={version} variant={variant} />
      ))}
      <Deltas version={version} />
    </div>
  )
}

function VariantCard({ version, variant }: { version: Version; variant: Variant }) {
  const base = `/v1/models/${encodeURIComponent(version.model)}/versions/${version.version}`
  const query = `?variant=${encodeURIComponent(variant.variant)}`
  const title = `variant-${variant.variant}`
  const total = variant.files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)
  return (
    <section class="card stack" aria-labelledby={title}>
      <h2 id={title}>Variant {variant.variant}</h2>
      <Facts
        facts={[
          ['Profiles', variant.profiles.length === 0 ? 'any' : variant.profiles.join(', ')],
          [
            'Manifest',
            <>
              <code>{variant.manifest}</code>{' '}
              <a href={`${base}/manifest${query}`} download={`${version.model}-${version.version}.manifest.json`}>
                download
              </a>
            </>,
          ],
          [
            'Signature',
            variant.signedAt === null ? (
              <StateDot tone="warn">awaits its signature: no device takes it</StateDot>
            ) : (
              <>
                made <Time at={variant.signedAt} />{' '}
                <a href={`${base}/signature${query}`} download={`${version.model}-${version.version}.dsse.json`}>
                  download
                </a>
              </>
            ),
          ],
          ['Counter', grouped(variant.counter)],
          ['Sealed', variant.sealed ? 'yes: the files are ciphertext, only devices it is assigned to read them' : 'no'],
        ]}
      />
      <RowsTable label="Files">
        <thead>
          <tr>
            <th scope="col">File</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">sha256</th>
            <th scope="col">Get</th>
          </tr>
        </thead>
        <tbody>
          {variant.files.map(({ role, sizeBytes, sha256, plain }) => (
            <tr key={role}>
              <th scope="row">{role}</th>
              <td class="number">{inBytes(sizeBytes)}</td>
              <td>
                <code class="clipped" title={sha256}>
                  {sha256}
                </code>
                {plain !== undefined && (
                  <small class="quiet clipped" title={plain.sha256}>
                    opened: {inBytes(plain.sizeBytes)}, {plain.sha256}
                  </small>
                )}
              </td>
              <td>
                <a
                  href={`/v1/blobs/${sha256}`}
                  download={`${version.model}-${version.version}-${role}`}
                  aria-label={`Download ${role} of variant ${variant.variant}`}
                >
                  download
                </a>
              </td>
            </tr>
          ))}
          <tr>
            <th scope="row">all</th>
            <td class="number">{inBytes(total)}</td>
            <td />
            <td />
          </tr>
        </tbody>
      </RowsTable>
      <h3>Profiles it fits</h3>
      <RowsTable label="Profiles">
        <thead>
          <tr>
            <th scope="col">Profile</th>
            <th scope="col">Verdict</th>
            <th scope="col" class="number">
              Memory, estimated
            </th>
            <th scope="col" class="number">
              Inference, estimated
            </th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {variant.compatibility.profiles.map(({ profile, verdict, reasons, memoryBytes, latencyMs }) => (
            <tr key={profile}>
              <th scope="row" class="nowrap">
                {profile}
              </th>
              <td>
                <StateDot tone={verdicts[verdict]?.tone ?? 'idle'}>{verdicts[verdict]?.title ?? verdict}</StateDot>
              </td>
              <td class="number">{memoryBytes === null ? '–' : inBytes(memoryBytes)}</td>
              <td class="number">{latencyMs === null ? '–' : `${grouped(latencyMs)} ms`}</td>
              <td>{reasons.join('; ')}</td>
            </tr>
          ))}
        </tbody>
      </RowsTable>
    </section>
  )
}

function Deltas({ version }: { version: Version }) {
  const path = { name: version.model, version: String(version.version) }
  const deltas = useResource(`deltas ${path.name} ${path.version}`, (signal) =>
    answer(api.GET('/v1/models/{name}/versions/{version}/deltas', { params: { path }, signal })),
  )
  const rows = deltas.value?.deltas
  return (
    <section class="card stack" aria-labelledby="patches">
      <h2 id="patches">Patches</h2>
      {rows === undefined ? (
        <Loading rows={1} />
      ) : rows.length === 0 ? (
        <p class="quiet">
          None was made: patches are for files above 64 KiB that are not sealed, and made when a device first needs one.
        </p>
      ) : (
        <RowsTable label="Patches">
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">To variant</th>
              <th scope="col" class="number">
                Patch
              </th>
              <th scope="col" class="number">
                Instead of
              </th>
              <th scope="col" class="number">
                Saves
              </th>
            </tr>
          </thead>
          <tbody>
            {rows.map(({ from, fromVariant, variant, sizeBytes, wholeBytes }) => (
              <tr key={`${from} ${fromVariant} ${variant}`}>
                <th scope="row">
                  <a href={versionHref(version.model, from)}>v{from}</a> {fromVariant}
                </th>
                <td>{variant}</td>
                <td class="number">{inBytes(sizeBytes)}</td>
                <td class="number">{inBytes(wholeBytes)}</td>
                <td class="number">{Math.round(100 * (1 - sizeBytes / wholeBytes))} %</td>
              </tr>
            ))}
          </tbody>
        </RowsTable>
      )}
    </section>
  )
}
