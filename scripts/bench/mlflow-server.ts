// MLflow's own server on SQLite, for figures side by side under the same client. It is not part of the project: say where
// one is installed, ROOST_BENCH_MLFLOW=/path/to/venv/bin/mlflow; without it there are no such figures.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'

const readyMsMax = 120_000
const endMsMax = 10_000

export type MlflowServer = { url: string; close: () => Promise<void> }

/** @param folder its database and files go there
 *  @returns undefined where no MLflow is named
 *  @throws Error where it does not come up */
export async function startMlflowServer(folder: string): Promise<MlflowServer | undefined> {
  const command = process.env.ROOST_BENCH_MLFLOW
  if (command === undefined) return undefined
  const port = await freePort()
  const store = ['--backend-store-uri', `sqlite:///${join(folder, 'mlflow.db')}`]
  const files = ['--artifacts-destination', join(folder, 'artifacts')]
  const args = ['server', '--host', '127.0.0.1', '--port', String(port), '--workers', '1', ...store, ...files]
  // a group of its own: the server is several processes
  const child = spawn(command, args, { stdio: 'ignore', detached: true, cwd: folder })
  const ended = once(child, 'exit')
  const end = (signal: NodeJS.Signals) => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, signal)
  }
  const close = async () => {
    end('SIGTERM')
    // it waits for what was asked and given up
    const timer = setTimeout(end, endMsMax, 'SIGKILL')
    await ended
    clearTimeout(timer)
  }
  const url = `http://127.0.0.1:${port}`
  const deadlineMs = performance.now() + readyMsMax
  while (!(await answers(`${url}/health`))) {
    if (child.exitCode === null && performance.now() < deadlineMs) await delay(250)
    else {
      await close()
      throw new Error(`${command} did not come up`)
    }
  }
  return { url, close }
}

const answers = (url: string): Promise<boolean> =>
  fetch(url).then(
    ({ ok }) => ok,
    () => false,
  )

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  server.close()
  await once(server, 'close')
  if (address === null || typeof address === 'string') throw new Error('a TCP listener has a port')
  return address.port
}
