// The newest backup, and one more now. Seen by whoever may make one.

import { useState } from 'preact/hooks'
import { ApiError, answer, api } from '../api.ts'
import { Commands } from '../parts/copy-button.tsx'
import { ErrorState } from '../parts/error-state.tsx'
import { Facts } from '../parts/facts.tsx'
import { Loading } from '../parts/loading.tsx'
import { counted, inBytes } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { useResource } from '../resource.ts'
import { useMay } from '../session.ts'

/** After which a fleet that changes has grown away from it. */
const oldMs = 7 * 86_400_000

export function BackupCard() {
  const may = useMay()
  return (
    <section class="card stack" aria-labelledby="backup">
      <h2 id="backup">Backup</h2>
      {may('admin', 'backups') ? (
        <Backups />
      ) : (
        <p>
          An admin backs the hub up here, or by <code>roost backup create</code>.
        </p>
      )}
    </section>
  )
}

function Backups() {
  const { value, error, refresh } = useResource('backups', (signal) => answer(api.GET('/v1/backups', { signal })), [
    'settings',
  ])
  const [making, setMaking] = useState<'idle' | 'busy' | ApiError>('idle')
  if (value === undefined)
    return error === undefined ? <Loading rows={3} /> : <ErrorState error={error} retry={refresh} />
  const [newest] = value.backups
  const make = async () => {
    setMaking('busy')
    try {
      await answer(api.POST('/v1/backups'))
      setMaking('idle')
    } catch (fault) {
      if (!(fault instanceof ApiError)) throw fault
      setMaking(fault)
    }
    refresh()
  }
  return (
    <>
      {newest === undefined ? (
        <StateDot tone="warn">None yet</StateDot>
      ) : (
        <>
          <p>
            <StateDot tone={Date.now() - Date.parse(newest.at) > oldMs ? 'warn' : 'good'}>The newest was made</StateDot>{' '}
            <Time at={newest.at} />
          </p>
          <Facts
            facts={[
              ['Folder', <span class="mono">{`${value.folder}/${newest.name}`}</span>],
              ['Database', inBytes(newest.databaseBytes)],
              ['Blobs', `${counted(newest.blobs, 'file')}, ${inBytes(newest.blobBytes)}`],
              ['Audit head', newest.auditHead === null ? null : <span class="mono">{newest.auditHead}</span>],
              ['There are', `${counted(value.backups.length, 'backup')}, the newest ${value.kept} are kept`],
            ]}
          />
        </>
      )}
      <p class="quiet">
        It is one when it lies on another machine. It holds the keys: keep it as safe as they are, and its audit head
        apart.
      </p>
      {newest !== undefined && (
        <Commands label="To copy it away" text={`rsync -a ${value.folder}/${newest.name} elsewhere:`} />
      )}
      <div class="row" role="status">
        <button type="button" disabled={making === 'busy'} onClick={() => void make()}>
          {making === 'busy' ? 'Backing up…' : 'Back up now'}
        </button>
        {making instanceof ApiError && (
          <span class="fault">
            {making.problem.title}: {making.problem.detail}
          </span>
        )}
      </div>
    </>
  )
}
