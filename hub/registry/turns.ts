// How much registering goes on at once: a few uploads arrive side by side on disk, but one at a time is worked on,
// since that is where memory goes (a sample's numbers, a process that runs the model).

import { Problem } from '../problem.ts'

/** Uploads between their first byte and their answer; one more is asked to come again. */
export const registrationsMax = 8

export type Turns = {
  /** @throws Problem overloaded where `registrationsMax` are under way */
  enter<T>(registration: (oneAtATime: OneAtATime) => Promise<T>): Promise<T>
}
export type OneAtATime = <T>(work: () => Promise<T>) => Promise<T>

export function createTurns(max = registrationsMax): Turns {
  let underWay = 0
  /** Settles when the last piece of work in line has ended; never rejects. */
  let last: Promise<unknown> = Promise.resolve()
  const oneAtATime: OneAtATime = (work) => {
    const turn = last.then(work)
    last = turn.catch(() => undefined)
    return turn
  }
  return {
    enter: async (registration) => {
      if (underWay >= max) {
        throw new Problem(503, 'overloaded', 'Try again later', `${max} versions are being registered already`, {
          headers: { 'retry-after': '5' },
        })
      }
      underWay += 1
      try {
        return await registration(oneAtATime)
      } finally {
        underWay -= 1
      }
    },
  }
}
