// A token as it is typed or piped: never an argument, which other users of the machine can read, and never echoed.

import type { ReadStream } from 'node:tty'

/** More is not a token. */
const charactersMax = 4096

/** One line from `input`, without what stands around it. At a terminal it is asked for, and not shown.
 *  @throws Error where nothing comes, or too much */
export async function readToken(input: ReadStream, question: string, say: (text: string) => void): Promise<string> {
  const text = input.isTTY ? await ask(input, question, say) : await readLine(input)
  const token = text.trim()
  if (token === '') throw new Error('no token was given: paste it, or pipe it in (roost login < token.txt)')
  return token
}

async function readLine(input: AsyncIterable<unknown>): Promise<string> {
  let text = ''
  for await (const piece of input) {
    text += String(piece)
    if (text.includes('\n')) break
    if (text.length > charactersMax) throw new Error('what came on standard input is no token: it is too long')
  }
  return text.split('\n')[0] ?? ''
}

/** Without echo, which the raw mode of a terminal does not have. */
async function ask(input: ReadStream, question: string, say: (text: string) => void): Promise<string> {
  // first: what is typed ahead must not show either
  input.setRawMode(true)
  say(question)
  let text = ''
  try {
    for await (const piece of input) {
      for (const character of String(piece)) {
        if (character === '\r' || character === '\n') return text
        if (character === '\u0003' || character === '\u0004') throw new Error('no token was given: nothing was stored')
        if (character === '\u007f' || character === '\b') text = text.slice(0, -1)
        else if (text.length < charactersMax) text += character
      }
    }
    return text
  } finally {
    input.setRawMode(false)
    input.pause()
    say('\n')
  }
}
