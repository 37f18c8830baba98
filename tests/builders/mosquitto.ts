// A real Mosquitto, as this machine has it, with the configuration that is shipped (scripts/mosquitto).

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const shipped = fileURLToPath(new URL('../../scripts/mosquitto/', import.meta.url))

/** `mosquitto version 2.0.11`; undefined where there is none. What runs one is left out there, and says so. */
export const mosquittoVersion: string | undefined = /^mosquitto version \S+/.exec(
  spawnSync('mosquitto', ['-h'], { encoding: 'utf8' }).stdout ?? '',
)?.[0]

export type Mosquitto = AsyncDisposable & {
  /** Where it reads who may come in: ROOST_MQTT_FILES_DIR. */
  folder: string
  port: number
  url: string
  pidFile: string
  /** What the hub is told of it. `signalled`: the hub has it read its files anew; else it is watched by run.sh. */
  environment: Record<string, string>
  start: () => Promise<void>
  /** Has it read its files anew, its certificate among them. */
  reload: () => void
  kill: () => Promise<void>
  log: () => string
}

export type MosquittoBuild = {
  signalled?: boolean
  /** It speaks TLS, by the certificate and key in `pemFile`; the hub is told `caFile`. */
  tls?: { pemFile: string; caFile: string }
}

/** It does not run yet. Killed at the end, its folder removed. */
export async function aMosquitto({ signalled = true, tls }: MosquittoBuild = {}): Promise<Mosquitto> {
  const place = mkdtempSync(join(tmpdir(), 'roost-mosquitto-'))
  const folder = join(place, 'files')
  mkdirSync(folder)
  const port = await freePort()
  const pidFile = join(place, 'mosquitto.pid')
  const config = join(place, 'mosquitto.conf')
  const text = readFileSync(join(shipped, 'mosquitto.conf'), 'utf8').replaceAll('/broker/', `${folder}/`)
  const listener = `listener ${port} 127.0.0.1`
  const settings =
    tls === undefined
      ? text.replace(/^listener 1883$/m, listener)
      : text
          .replace(/^listener 1883$/m, '')
          .replace(/^# listener 8883$/m, listener)
          .replaceAll(/^# (certfile|keyfile) .+$/gm, `$1 ${tls.pemFile}`)
  writeFileSync(config, `${settings}pid_file ${pidFile}\n${process.getuid?.() === 0 ? 'user root\n' : ''}`)
  const url = `${tls === undefined ? 'mqtt' : 'mqtts'}://127.0.0.1:${port}`
  let child: ChildProcess | undefined
  let log = ''

  const kill = async () => {
    if (child === undefined) return
    const ended = once(child, 'close')
    // its group: run.sh has children
    if (child.pid !== undefined && child.exitCode === null && child.signalCode === null) {
      process.kill(-child.pid, 'SIGKILL')
    }
    await ended
    child = undefined
    rmSync(pidFile, { force: true })
  }
  return {
    folder,
    port,
    url,
    pidFile,
    environment: {
      ROOST_MQTT_URL: url,
      ROOST_MQTT_FILES_DIR: folder,
      ...(signalled ? { ROOST_MQTT_PID_FILE: pidFile } : {}),
      ...(tls === undefined ? {} : { ROOST_MQTT_CA_FILE: tls.caFile }),
    },
    start: async () => {
      const [command, ...args] = signalled
        ? ['mosquitto', '-v', '-c', config]
        : [join(shipped, 'run.sh'), folder, config, ...(tls === undefined ? [] : [tls.pemFile])]
      const started = spawn(command ?? '', args, { stdio: ['ignore', 'pipe', 'pipe'], detached: true })
      child = started
      for (const stream of [started.stdout, started.stderr]) {
        stream.on('data', (piece) => {
          log = `${log}${String(piece)}`.slice(-200_000)
        })
      }
      if (signalled)
        await untilListening(
          port,
          () => started.exitCode === null,
          () => log,
        )
    },
    reload: () => void child?.kill('SIGHUP'),
    kill,
    log: () => log,
    [Symbol.asyncDispose]: async () => {
      await kill()
      rmSync(place, { recursive: true, force: true })
    },
  }
}

async function untilListening(port: number, isRunning: () => boolean, log: () => string): Promise<void> {
  for (;;) {
    const listens = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => {
        socket.destroy()
        resolve(true)
      })
      socket.once('error', () => resolve(false))
    })
    if (listens) return
    if (!isRunning()) throw new Error(`mosquitto ended:\n${log()}`)
    await delay(10)
  }
}

/** Below the ports that the kernel gives to whoever asks for any: nobody else takes it between two starts. */
async function freePort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 12_000)
    const server = createServer()
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
}
