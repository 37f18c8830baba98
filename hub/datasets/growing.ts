// Numbers whose count is not known yet.

export type Growing = { push(value: number): void; values(): Float64Array<ArrayBuffer> }

/** Doubles its room when it is full; whoever pushes bounds it. */
export function growing(): Growing {
  let numbers = new Float64Array(256)
  let length = 0
  return {
    push: (value) => {
      if (length === numbers.length) {
        const larger = new Float64Array(2 * length)
        larger.set(numbers)
        numbers = larger
      }
      numbers[length] = value
      length += 1
    },
    values: () => numbers.slice(0, length),
  }
}
