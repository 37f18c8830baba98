// What this runtime answered a short while ago, by the id the application knows it by, so that the true answer can be
// held against it when it becomes known. Bounded: the oldest is forgotten first.

/** A label that comes after so many further answers finds nothing. With ids of 64 letters about 1 MB. */
export const predictionsRememberedMax = 4096
/** An id of a client's own making that is longer is not remembered. */
export const predictionIdLengthMax = 64

/** `tell`: who else waits for the label. */
export type Answered = { positive: boolean; tell?: ((actual: boolean) => void) | undefined }

export type RecentPredictions = {
  /** An id that is there already stands for the newer answer. */
  remember: (id: string, answered: Answered) => void
  /** What was answered, once: a label that is sent again must not count again. */
  take: (id: string) => Answered | undefined
}

export function createRecentPredictions(max = predictionsRememberedMax): RecentPredictions {
  const answers = new Map<string, Answered>()
  return {
    remember(id, answered) {
      if (id.length > predictionIdLengthMax) return
      answers.delete(id)
      answers.set(id, answered)
      if (answers.size <= max) return
      const [oldest] = answers.keys()
      if (oldest !== undefined) answers.delete(oldest)
    },
    take(id) {
      const answered = answers.get(id)
      answers.delete(id)
      return answered
    },
  }
}
