// The keys: what each is for, how old it is, when it ends, where its private part lies, and how it is exchanged.

import type { components } from '../api-types.d.ts'
import { AuditLink } from '../parts/audit-link.tsx'
import { Commands, CopyButton } from '../parts/copy-button.tsx'
import { counted, grouped } from '../parts/quantity.tsx'
import { ScrollRegion } from '../parts/scroll-region.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { timeLeft, warnDays } from './lifetimes.ts'

type Keys = components['schemas']['Keys']
type Key = components['schemas']['Key']

const purposeWords: Record<Key['purpose'], { title: string; does: string }> = {
  root: { title: 'Root', does: 'says which keys count; needed only to change keys' },
  release: { title: 'Release', does: 'signs models; without it nothing new is installed' },
  assignment: { title: 'Assignment', does: 'signs which device runs what' },
  audit: { title: 'Audit', does: 'signs the head of the audit log' },
  seal: { title: 'Sealing', does: 'locks the keys of sealed bundles in the database' },
}

export function KeysCard({ keys: { root, keys, devices } }: { keys: Keys }) {
  const left = timeLeft(root.expires, warnDays.root, Date.now())
  const inUse = keys.filter(({ state }) => state === 'in-use')
  const others = keys.filter(({ state }) => state !== 'in-use')
  return (
    <section class="card stack" aria-labelledby="keys">
      <div class="title">
        <h2 id="keys">Keys</h2>
        <p>
          Root {root.version}, until <Time at={root.expires} form="full" />
        </p>
        <StateDot tone={left.tone}>{left.words}</StateDot>
        <AuditLink subject={`root:${root.version}`} />
      </div>
      <KeyTable caption="In use" keys={inUse} />
      {others.length > 0 && (
        <details>
          <summary>{counted(others.length, 'key that is next or retired', 'keys that are next or retired')}</summary>
          <KeyTable caption="Next and retired" keys={others} />
        </details>
      )}
      <Followers version={root.version} devices={devices} />
      <Rotation />
    </section>
  )
}

function KeyTable({ caption, keys }: { caption: string; keys: readonly Key[] }) {
  return (
    <ScrollRegion label={`Keys: ${caption}`}>
      <table class="plain-table">
        <caption class="hidden">{caption}</caption>
        <thead>
          <tr>
            <th scope="col">Key</th>
            <th scope="col">Id</th>
            <th scope="col">Since</th>
            <th scope="col">Private part</th>
            <th scope="col">Signed</th>
            <th scope="col">State</th>
          </tr>
        </thead>
        <tbody>
          {keys.map((key) => (
            <KeyRow key={`${key.purpose} ${key.id}`} item={key} />
          ))}
        </tbody>
      </table>
    </ScrollRegion>
  )
}

const signedWords: Record<NonNullable<Key['signed']>['what'], [one: string, many: string]> = {
  roots: ['root', 'roots'],
  manifests: ['manifest', 'manifests'],
  rows: ['entry', 'entries'],
  bundles: ['bundle', 'bundles'],
}
const stateWords: Record<Key['state'], { title: string; tone: 'good' | 'busy' | 'idle' }> = {
  'in-use': { title: 'In use', tone: 'good' },
  next: { title: 'Next', tone: 'busy' },
  retired: { title: 'Retired', tone: 'idle' },
}

function KeyRow({ item: { purpose, id, publicKey, state, here, since, until, signed } }: { item: Key }) {
  const { title, does } = purposeWords[purpose]
  return (
    <tr>
      <th scope="row">
        {title}
        <small class="quiet">{does}</small>
      </th>
      <td>
        {id === null ? (
          <span class="quiet">secret, has no public part</span>
        ) : (
          <span class="id">
            <span class="mono" title={id}>
              {id.slice(0, 12)}…
            </span>
            {publicKey !== null && <CopyButton text={publicKey}>Copy public key</CopyButton>}
          </span>
        )}
      </td>
      <td class="once">{since === null ? '–' : <Time at={since} />}</td>
      <td>
        <Place purpose={purpose} state={state} here={here} />
      </td>
      <td>
        {signed === null ? (
          <span class="quiet">every answer to a device</span>
        ) : (
          counted(signed.count, ...signedWords[signed.what])
        )}
      </td>
      <td>
        <StateDot tone={stateWords[state].tone}>{stateWords[state].title}</StateDot>
        {until !== null && (
          <small class="quiet">
            since <Time at={until} />
          </small>
        )}
      </td>
    </tr>
  )
}

/** Two of them are better kept elsewhere. */
function Place({ purpose, state, here }: Pick<Key, 'purpose' | 'state' | 'here'>) {
  if (!here) return <StateDot tone="good">Elsewhere</StateDot>
  const isExposed = state === 'in-use' && (purpose === 'root' || purpose === 'release')
  return (
    <>
      <StateDot tone={isExposed ? 'warn' : 'good'}>At this hub</StateDot>
      {isExposed && <small class="quiet">move keys/{purpose}.pem to a safe place that is not online</small>}
    </>
  )
}

/** Whether the devices have followed the newest root. */
function Followers({ version, devices }: { version: number; devices: Keys['devices'] }) {
  const total = devices.reduce((sum, row) => sum + row.devices, 0)
  const followed = devices.find(({ rootVersion }) => rootVersion === version)?.devices ?? 0
  if (total === 0) return null
  return (
    <p>
      {followed === total
        ? `All ${counted(total, 'device')} follow root ${version}.`
        : `${grouped(followed)} of ${counted(total, 'device')} follow root ${version}; the others take it with their next answer.`}
    </p>
  )
}

const rotation = `# where the root key is kept; its private part does not leave that machine
roost keys rotate --root-key root.pem --assignment
roost keys rotate --root-key root.pem --new-release release-2.pem
roost keys rotate --root-key root.pem --new-root root-2.pem --days 3650`

function Rotation() {
  return (
    <details>
      <summary>Exchange a key</summary>
      <div class="stack inner">
        <p>
          A new root names the new keys. It is signed where the root key is, the hub follows it while it runs, and
          devices take it with the next answer they get: nobody has to touch them. <code>--dry-run</code> shows what
          would be.
        </p>
        <Commands label="Commands that exchange keys" text={rotation} />
        <p class="quiet">
          A new release key is named beside the old one, until every version in use is signed anew; then{' '}
          <code>--drop-release</code> with the id of the old one ends it. The audit and the sealing key are not
          exchanged.
        </p>
      </div>
    </details>
  )
}
