// A hub that ends at a given point of what it writes, for tests of what it leaves.

import { pathToFileURL } from 'node:url'
import { type Client, createClient, type InStatement } from '@libsql/client'
import type { Hub } from '../../../hub/hub.ts'
import { createRollouts } from '../../../hub/rollouts/engine.ts'
import { Database } from '../../../hub/storage/database.ts'
import type { Step } from './scripted.ts'

export type Dying = { client: Client; points: () => number; isDead: () => boolean }

/** Every write is made statement by statement, as the hub's are inside SQLite. Before the `at`th of them, of their commits,
 *  and of what follows a commit, `die` is called and nothing works any more. */
export function dying(inner: Client, at: number, die: () => void = () => undefined): Dying {
  let points = 0
  let dead = false
  const alive = () => {
    if (dead) throw new Error('the hub is gone')
  }
  const point = () => {
    points += 1
    if (points === at) {
      dead = true
      die()
    }
    alive()
  }
  const write = async (statements: InStatement[]) => {
    alive()
    const turn = await inner.transaction('write')
    const results = []
    for (const statement of statements) {
      point()
      results.push(await turn.execute(statement))
    }
    point()
    await turn.commit()
    await setPragmas(inner)
    point()
    return results
  }
  const read = (statement: InStatement) => {
    alive()
    return inner.execute(statement)
  }
  const client = new Proxy(inner, {
    get: (target, name) => (name === 'batch' ? write : name === 'execute' ? read : Reflect.get(target, name)),
  })
  return { client, points: () => points, isDead: () => dead }
}

export async function openFile(path: string): Promise<Client> {
  const client = createClient({ url: pathToFileURL(path).href, concurrency: 1, timeout: 0 })
  await setPragmas(client)
  return client
}

/** After a transaction the client has a new connection. */
async function setPragmas(client: Client): Promise<void> {
  await client.execute('PRAGMA foreign_keys = ON')
  // the files are thrown away: it is not the disk that is tested
  await client.execute('PRAGMA synchronous = OFF')
}

/** The step by a hub that has just started on what the client has open; all devices are there. */
export const take = ({ hub: ask }: Step, hub: Hub, client: Client): Promise<void> =>
  ask(
    createRollouts(
      { ...hub, database: new Database(client, hub.log) },
      { isConnected: () => true, push: () => undefined },
    ),
  )
