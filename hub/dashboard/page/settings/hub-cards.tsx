// Where the hub is reached, how long its certificate holds, what room is left, and the newest backup.

import type { components } from '../api-types.d.ts'
import { Facts } from '../parts/facts.tsx'
import { counted, inBytes } from '../parts/quantity.tsx'
import { StateDot } from '../parts/state-dot.tsx'
import { Time } from '../parts/time.tsx'
import { BackupCard } from './backup-card.tsx'
import { timeLeft, warnDays } from './lifetimes.ts'

type Settings = components['schemas']['Settings']

export function HubCards({ hub }: { hub: Settings }) {
  return (
    <div class="columns">
      <section class="card stack" aria-labelledby="reached">
        <h2 id="reached">This hub</h2>
        <Facts
          facts={[
            ['API', <span class="mono">{hub.urls.http}</span>],
            ['Broker', <span class="mono">{hub.urls.mqtt}</span>],
            ['MQTT port', hub.ports.mqtt],
            ['WebSocket port', hub.ports.mqttWebSocket],
            ['Connected', counted(hub.connectedDevices, 'device')],
            ['Started', <Time at={hub.startedAt} />],
            [
              'HTTP reference',
              <>
                <a href="/reference">for people</a>, <a href="/v1/openapi.json">OpenAPI document</a>
              </>,
            ],
          ]}
        />
      </section>
      <Certificate tls={hub.tls} isByProxy={hub.urls.http.startsWith('https:')} />
      <Disk disk={hub.disk} />
      <BackupCard />
    </div>
  )
}

function Certificate({ tls, isByProxy }: { tls: Settings['tls']; isByProxy: boolean }) {
  return (
    <section class="card stack" aria-labelledby="tls">
      <h2 id="tls">TLS</h2>
      {tls === null && isByProxy ? (
        <>
          <StateDot tone="good">By a proxy</StateDot>
          <p class="quiet">The public address speaks TLS, and the hub does not: its certificate is the proxy's.</p>
        </>
      ) : tls === null ? (
        <>
          <StateDot tone="warn">No certificate</StateDot>
          <p class="quiet">
            Without TLS whoever sits in the network reads tokens and the secrets of devices. Set{' '}
            <code>ROOST_TLS_CERT_FILE</code> and <code>ROOST_TLS_KEY_FILE</code>, or put a proxy in front that speaks
            it.
          </p>
        </>
      ) : (
        <>
          <Left until={tls.until} />
          <Facts
            facts={[
              ['For', tls.names ?? tls.subject],
              ['Issued by', tls.issuer],
              ['Valid until', <Time at={tls.until} form="full" />],
            ]}
          />
          <p class="quiet">Replace both files and restart the hub: they are read at the start.</p>
        </>
      )}
    </section>
  )
}

function Left({ until }: { until: string }) {
  const { words, tone } = timeLeft(until, warnDays.certificate, Date.now())
  return <StateDot tone={tone}>{words}</StateDot>
}

/** Below a fifth it is time to make room (docs/operate.md). */
const freeShareMin = 0.2

function Disk({ disk: { folder, freeBytes, totalBytes, databaseBytes, modelBytes } }: { disk: Settings['disk'] }) {
  const share = totalBytes === 0 ? 0 : freeBytes / totalBytes
  return (
    <section class="card stack" aria-labelledby="disk">
      <h2 id="disk">Disk</h2>
      <div>
        <meter
          class="disk"
          min={0}
          max={1}
          low={freeShareMin}
          optimum={1}
          value={share}
          aria-label={`Free: ${Math.round(100 * share)} %`}
        />
        <StateDot tone={share < freeShareMin ? 'warn' : 'good'}>
          {`${inBytes(freeBytes)} of ${inBytes(totalBytes)} free`}
        </StateDot>
      </div>
      <Facts
        facts={[
          ['Folder', <span class="mono">{folder}</span>],
          ['Database', inBytes(databaseBytes)],
          ['Files of models', inBytes(modelBytes)],
        ]}
      />
    </section>
  )
}
