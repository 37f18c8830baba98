// How far something long is, on one line of the terminal that is written over; nothing where nobody looks.

export type Progress = (doneBytes: number, totalBytes: number) => void

type Terminal = { isTTY?: boolean; write(text: string): unknown }

/** Where nobody looks. */
export const noTerminal: Terminal = { write: () => undefined }

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

export type Waiting = {
  /** What it is that is waited for, now. */
  say(what: string): void
  /** The line is empty again for what comes next. */
  end(): void
}

/** For what does not say how far it is: what is waited for, and since when.
 *  @param clock monotonic milliseconds */
export function waitingOn(terminal: Terminal, clock: () => number = () => performance.now()): Waiting {
  const sinceMs = clock()
  let isShown = false
  return {
    say: (what) => {
      if (!terminal.isTTY) return
      isShown = true
      terminal.write(`\r${what}, ${Math.floor((clock() - sinceMs) / 1_000)} s${clearToEnd}`)
    },
    end: () => {
      if (isShown) terminal.write(`\r${clearToEnd}`)
      isShown = false
    },
  }
}

/** Of the line, behind the cursor (ECMA-48, EL). */
const clearToEnd = '\u001b[K'

const mebibytes = (bytes: number): string => (bytes / 1_048_576).toFixed(1)
