// How far something long is, on one line of the terminal that is written over; nothing where nobody looks.

export type Progress = (doneBytes: number, totalBytes: number) => void

type Terminal = { isTTY?: boolean; write(text: string): unknown }

/** For standard error, so that what is piped on stays clean. */
export function progressOn(terminal: Terminal): Progress {
  if (!terminal.isTTY) return () => undefined
  return (doneBytes, totalBytes) => {
    const percent = totalBytes === 0 ? 100 : Math.floor((100 * doneBytes) / totalBytes)
    // whatever is written next, a fault perhaps, begins where this does
    const end = doneBytes === totalBytes ? '\n' : '\r'
    terminal.write(
      `${String(percent).padStart(3)} %  ${mebibytes(doneBytes)} of ${mebibytes(totalBytes)} MiB sent${end}`,
    )
  }
}

const mebibytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1)
