// How much the hub and the scorer process say to each other at once.

/** Vectors of one request. The hub sends the next request when all of these are answered. */
export const vectorsMax = 64
/** Elements of all outputs of one vector; a model that answers with more is not scored. */
export const outputElementsMax = 1_000_000
