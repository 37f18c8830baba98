// The versions of a model: who brought each, how far it is, where it runs. Two may be picked to compare.

import type { components } from '../api-types.d.ts'
import { Actor } from '../parts/actor.tsx'
import { inBytes, Quantity } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { versionHref } from './links.ts'
import { RowsTable } from './rows-table.tsx'
import { StageDot } from './stages.tsx'

type Version = components['schemas']['Version']

export function VersionsTable({
  versions,
  devices,
  picked,
  onPick,
}: {
  versions: readonly Version[]
  /** On how many devices each runs; undefined until that is known. */
  devices: ReadonlyMap<number, number> | undefined
  picked: readonly number[]
  onPick: (version: number, isPicked: boolean) => void
}) {
  return (
    <div class="card">
      <RowsTable label="Versions">
        <thead>
          <tr>
            <th scope="col">
              <span class="hidden">Compare</span>
            </th>
            <th scope="col">Version</th>
            <th scope="col">Stage</th>
            <th scope="col">Aliases</th>
            <th scope="col" class="number">
              Devices now
            </th>
            <th scope="col">Release</th>
            <th scope="col" class="number">
              Size
            </th>
            <th scope="col">Registered</th>
          </tr>
        </thead>
        <tbody>
          {versions.map((version) => (
            <tr key={version.version}>
              <td>
                <input
                  type="checkbox"
                  aria-label={`Compare version ${version.version}`}
                  checked={picked.includes(version.version)}
                  onChange={({ currentTarget }) => onPick(version.version, currentTarget.checked)}
                />
              </td>
              <th scope="row">
                <a href={versionHref(version.model, version.version)}>v{version.version}</a>
                {version.description !== '' && (
                  <small class="quiet clipped" title={version.description}>
                    {version.description}
                  </small>
                )}
              </th>
              <td>
                <StageDot stage={version.stage} />
              </td>
              <td>
                <Aliases names={version.aliases} />
              </td>
              <td class="number">
                {devices === undefined ? '…' : <Quantity value={devices.get(version.version) ?? 0} />}
              </td>
              <td>
                <Release version={version} />
              </td>
              <td class="number">{inBytes(sizeOf(version))}</td>
              <td>
                <Time at={version.createdAt} />
                <small class="quiet clipped">
                  by <Actor actor={version.createdBy} />
                </small>
              </td>
            </tr>
          ))}
        </tbody>
      </RowsTable>
    </div>
  )
}

export const Aliases = ({ names }: { names: readonly string[] }) =>
  names.length === 0 ? (
    <span class="quiet">none</span>
  ) : (
    <span class="tags">
      {names.map((name) => (
        <span key={name} class="tag mono">
          @{name}
        </span>
      ))}
    </span>
  )

/** Whether devices take it. */
export function Release({ version }: { version: Pick<Version, 'state' | 'signedAt' | 'sealed'> }) {
  const seal = version.sealed ? ', sealed' : ''
  return version.state === 'released' ? (
    <StateDot tone="good">{`signed${seal}`}</StateDot>
  ) : (
    <StateDot tone="warn">{`awaits signature${seal}`}</StateDot>
  )
}

/** All files of the largest variant. */
export const sizeOf = ({ variants }: Pick<Version, 'variants'>): number =>
  Math.max(0, ...variants.map(({ files }) => files.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0)))
