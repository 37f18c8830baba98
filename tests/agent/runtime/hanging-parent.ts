// A control process that starts a runtime, says its id, and then only waits to be killed.

import { RuntimeProcess } from '../../../agent/reconcile/runtime-process.ts'
import { LoadedBundle } from '../../../agent/runtime/messages.ts'

const [, , workFolder = '', bundle = ''] = process.argv
const ignore = () => undefined
const runtime = await RuntimeProcess.start(
  {
    role: 'primary',
    generation: 1,
    bundles: [LoadedBundle.parse(JSON.parse(bundle))],
    replay: [],
    serving: { bodyBytesMax: 1024, threads: 1 },
    memoryBytesMax: 1024 ** 3,
    workFolder,
  },
  {
    onWindow: ignore,
    onCheckpoint: ignore,
    onPairs: () => undefined,
    onPaired: () => undefined,
    onEvent: ignore,
    onExit: ignore,
    warn: ignore,
  },
)
process.send?.(runtime.pid)
await runtime.load()
