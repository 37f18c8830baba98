// The folder that a runtime process works in, when the process ends.

import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { RuntimeProcess } from '../../../agent/reconcile/runtime-process.ts'

const ignore = () => undefined

test('a runtime whose working folder cannot be removed ends like any other, and it is said', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'roost-work-folder-'))
  onTestFinished(() => rm(folder, { recursive: true }))
  const workFolder = join(folder, 'work')
  await mkdir(workFolder)
  const warnings: string[] = []
  const runtime = await RuntimeProcess.start(
    {
      role: 'primary',
      generation: 1,
      bundles: [],
      replay: [],
      serving: { bodyBytesMax: 1024, threads: 1 },
      memoryBytesMax: 1024 ** 3,
      workFolder,
    },
    {
      onWindow: ignore,
      onCheckpoint: ignore,
      onEvent: ignore,
      onPairs: ignore,
      onPaired: ignore,
      onExit: ignore,
      warn: (text) => warnings.push(text),
    },
  )
  expect(await runtime.load()).toMatchObject({ ok: true })
  // nothing can be removed there any more, as on a disk that can only be read
  await rename(workFolder, join(folder, 'moved'))
  await writeFile(workFolder, '')
  await runtime.stop(1_000)
  expect(await runtime.exited).toBeUndefined()
  expect(warnings.at(-1)).toContain('working folder')
})
