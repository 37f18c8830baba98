// Runs models in the test's own process: for tests of what is done with answers, not of the process that gives them.

import { InferenceSession } from 'onnxruntime-node'
import { toTensor, toValue } from '../../../hub/registry/scorer/tensors.ts'
import type { Score } from '../../../hub/registry/scoring.ts'

/** The same library as the hub's scorer, without a process, limits and checks. */
export const inThisProcess: Score = async function* ({ path, vectors, onTimes }) {
  const session = await InferenceSession.create(path, { intraOpNumThreads: 1, logSeverityLevel: 4 })
  try {
    for (const vector of vectors) {
      const feeds = Object.fromEntries(Object.entries(vector).map(([name, value]) => [name, toTensor(value)]))
      const begunMs = performance.now()
      const results = await session.run(feeds)
      onTimes?.([performance.now() - begunMs])
      yield Object.fromEntries(Object.entries(results).map(([name, tensor]) => [name, toValue(tensor)]))
    }
  } finally {
    await session.release()
  }
}
