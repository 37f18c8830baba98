// The JSON files that commands take.

import { readFile } from 'node:fs/promises'

/** @throws Error naming the file where it cannot be read or is not JSON */
export async function readJsonFile(path: string): Promise<unknown> {
  const text = await readFile(path, 'utf8')
  try {
    return JSON.parse(text)
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    throw new Error(`${path} is not JSON: ${error.message.replaceAll(/\s+/g, ' ')}`, { cause: error })
  }
}
