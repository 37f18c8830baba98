import { describe, expect, test } from 'vitest'
import { createWriteGatherer, statementsPerCommitMax } from '../../../hub/fleet/write-gatherer.ts'
import type { Statement } from '../../../hub/storage/database.ts'

const statement = (name: string): Statement => ({ sql: name })

/** A database whose commits end when they are told to. */
function aDatabase() {
  const commits: { names: string[]; end: (error?: Error) => void }[] = []
  const write = (statements: readonly Statement[]) =>
    new Promise<number[]>((resolve, reject) => {
      commits.push({
        names: statements.map(({ sql }) => sql),
        end: (error) => (error === undefined ? resolve([]) : reject(error)),
      })
    })
  return { commits, write }
}

/** Two turns of the event loop: a commit begins with the next one. */
const settle = async () => {
  for (let turn = 0; turn < 2; turn++) await new Promise((resolve) => setImmediate(resolve))
}

describe('the write gatherer', () => {
  test('commits together what comes while a commit is under way, in order, and answers each when it is on disk', async () => {
    const { commits, write } = aDatabase()
    const writer = createWriteGatherer({ write })
    const done: string[] = []
    const put = (...names: string[]) => writer.write(names.map(statement)).then(() => done.push(...names))
    const all = [put('a')]
    await settle()
    all.push(put('b1', 'b2'), put('c'), put('d'))
    await settle()
    expect(commits.map(({ names }) => names)).toEqual([['a']])
    commits[0]?.end()
    await settle()
    expect(done).toEqual(['a'])
    expect(commits[1]?.names).toEqual(['b1', 'b2', 'c', 'd'])
    commits[1]?.end()
    await Promise.all(all)
    expect(done).toEqual(['a', 'b1', 'b2', 'c', 'd'])
  })

  test('fails all that were in a commit that failed, and goes on', async () => {
    const { commits, write } = aDatabase()
    const writer = createWriteGatherer({ write })
    const results = Promise.allSettled([writer.write([statement('a')]), writer.write([statement('b')])])
    await settle()
    commits[0]?.end(new Error('disk full'))
    expect((await results).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    const next = writer.write([statement('c')])
    await settle()
    commits[1]?.end()
    await next
  })

  test('puts no more into a commit than it may, and waits for everything when it is closed', async () => {
    const { commits, write } = aDatabase()
    const writer = createWriteGatherer({ write })
    const half = Array.from({ length: statementsPerCommitMax / 2 + 1 }, () => statement('x'))
    const all = Promise.all([writer.write(half), writer.write(half), writer.write(half)])
    let closed = false
    const close = writer.close().then(() => {
      closed = true
    })
    for (let i = 0; i < 3; i += 1) {
      await settle()
      expect(commits).toHaveLength(i + 1)
      expect(commits[i]?.names.length).toBe(half.length)
      expect(closed).toBe(false)
      commits[i]?.end()
    }
    await all
    await close
  })
})
