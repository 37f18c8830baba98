// contexts.json: the hubs that a person has logged in to, each with a name and a token. Only its owner can read it; it is
// replaced whole, so nobody ever finds half of it.

import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { mkdir, open, rename, rm } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { z } from 'zod'

/** More is a loop that logs in. */
const contextsMax = 100

export const ContextName = z.string().regex(/^[\w.-]{1,64}$/, 'a context is named by up to 64 letters, digits, . _ -')
const Context = z.object({ name: ContextName, url: z.url({ protocol: /^https?$/ }), token: z.string().min(1) })
export type Context = z.infer<typeof Context>

const Contexts = z.object({
  formatVersion: z.literal(1),
  /** The name of the one that commands use. */
  current: ContextName.nullable(),
  contexts: z.array(Context).max(contextsMax),
})
export type Contexts = z.infer<typeof Contexts>

type Environment = Readonly<Record<string, string | undefined>>

/** `$XDG_CONFIG_HOME/roost/contexts.json`, by default in ~/.config (XDG Base Directory Specification: a relative path in
 *  the variable counts as none). */
export function contextsPath({ XDG_CONFIG_HOME, HOME }: Environment): string {
  const base = XDG_CONFIG_HOME?.startsWith('/') ? XDG_CONFIG_HOME : join(HOME || homedir(), '.config')
  return join(base, 'roost', 'contexts.json')
}

/** None where there is no file.
 *  @throws Error where it is damaged */
export function readContexts(path: string): Contexts {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') {
      return { formatVersion: 1, current: null, contexts: [] }
    }
    throw error
  }
  try {
    return Contexts.parse(JSON.parse(text))
  } catch {
    // what is wrong in it is not shown: a token may stand there
    throw new Error(`${path} is damaged: remove it and log in again (roost login)`)
  }
}

/** @throws Error where there would be too many; the file system's */
export async function writeContexts(path: string, contexts: Contexts): Promise<void> {
  if (contexts.contexts.length > contextsMax) {
    throw new Error(`there are ${contextsMax} contexts already; remove one (roost context remove)`)
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  // a name of its own: two that log in at once do not write into each other's
  const temporary = `${path}.${randomUUID()}.new`
  try {
    {
      await using file = await open(temporary, 'wx', 0o600)
      await file.writeFile(`${JSON.stringify(contexts, null, 2)}\n`)
      await file.sync()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** With `context` in it, in the place of one of that name, as the current one. */
export const withContext = ({ contexts }: Contexts, context: Context): Contexts => ({
  formatVersion: 1,
  current: context.name,
  contexts: [...contexts.filter(({ name }) => name !== context.name), context].sort((a, b) =>
    a.name < b.name ? -1 : 1,
  ),
})

/** Where it was the current one there is none then: the next command must not go to another hub unasked. */
export const withoutContext = ({ current, contexts }: Contexts, name: string): Contexts => ({
  formatVersion: 1,
  current: current === name ? null : current,
  contexts: contexts.filter((context) => context.name !== name),
})

/** @throws Error where there is none of that name */
export function contextNamed({ contexts }: Contexts, name: string): Context {
  const found = contexts.find((context) => context.name === name)
  if (found !== undefined) return found
  const names = contexts.map((context) => context.name).join(', ')
  throw new Error(
    `there is no context ${JSON.stringify(name)}; ${names === '' ? 'log in first: roost login' : `there are ${names}`}`,
  )
}
