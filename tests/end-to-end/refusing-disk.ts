// Loaded before an agent (node --import) where no small disk can be mounted: while the file that FULL_DISK names is there,
// every write of this process ends as on a disk that is full.

import { existsSync } from 'node:fs'
import fs from 'node:fs/promises'
import { syncBuiltinESMExports } from 'node:module'

const marker = process.env.FULL_DISK ?? ''

function refuse(owner: object, names: readonly string[]): void {
  for (const name of names) {
    const original: unknown = Reflect.get(owner, name)
    if (typeof original !== 'function') throw new TypeError(`there is no ${name}`)
    Reflect.set(owner, name, function (this: unknown, ...args: unknown[]): unknown {
      if (!existsSync(marker)) return Reflect.apply(original, this, args)
      return Promise.reject(Object.assign(new Error('ENOSPC: no space left on device'), { code: 'ENOSPC' }))
    })
  }
}

await using handle = await fs.open(import.meta.filename)
refuse(fs, ['writeFile', 'appendFile', 'copyFile'])
refuse(Object.getPrototypeOf(handle), ['write', 'writev', 'writeFile', 'appendFile'])
syncBuiltinESMExports()
