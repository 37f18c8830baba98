// Lines of a log as a process wrote them, which may have been killed in the middle of one.

/** What the line holds; undefined where it is no JSON, or was cut off. */
export function jsonLine(line: string): unknown {
  if (!line.startsWith('{')) return undefined
  try {
    return JSON.parse(line)
  } catch {
    return undefined
  }
}
