// The command line as a process of its own, as a person or a pipeline runs it.

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { inherited } from '../../builders/inherited.ts'

const command = fileURLToPath(new URL('../../../hub/cli/main.ts', import.meta.url))

export type Ran = { code: number | null; stdout: string; stderr: string }
type Hub = { url: string; token: string; main?: string }
export type Running = {
  said: () => Ran
  saysOn(stream: 'stdout' | 'stderr', text: string): Promise<void>
  ended: Promise<Ran>
}

/** Starts `roost …`; whoever starts it awaits `ended`.
 *  @param hub `main`: what Node runs, where it is not the command line of this checkout */
export function startRoost(hub: Hub, ...args: string[]): Running {
  const env = { ...inherited(), ROOST_URL: hub.url, ROOST_TOKEN: hub.token }
  const child = spawn(process.execPath, [hub.main ?? command, ...args], { env, stdio: ['ignore', 'pipe', 'pipe'] })
  const said: Ran = { code: null, stdout: '', stderr: '' }
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (piece) => {
      said[name] += String(piece)
    })
  }
  const ended = once(child, 'close').then(([code]) => ({ ...said, code: typeof code === 'number' ? code : null }))
  return {
    said: () => said,
    saysOn: async (name, text) => {
      while (!said[name].includes(text)) {
        if (child[name].readableEnded) throw new Error(`it ended without "${text}":\n${said.stdout}${said.stderr}`)
        await Promise.race([once(child[name], 'data'), once(child[name], 'end')])
      }
    },
    ended,
  }
}

/** Runs `roost …` to its end. */
export const roost = (hub: Hub, ...args: string[]): Promise<Ran> => startRoost(hub, ...args).ended
