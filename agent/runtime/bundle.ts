// A bundle read from its files into what serves: the session, the feature pipeline, the baseline, the golden vectors.
// The bytes are hashed again here, after they were read: what is loaded is what the manifest names, whatever
// happened to the file since the control process verified it. A sealed bundle is decrypted here, in memory.

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { Golden } from '@roost/shared/bundle/golden.ts'
import type { BundleFile } from '@roost/shared/bundle/manifest.ts'
import { openFile } from '@roost/shared/bundle/sealing.ts'
import type { TensorSpec } from '@roost/shared/bundle/tensor.ts'
import { Baseline } from '@roost/shared/drift/baseline.ts'
import { type CompiledFeatures, compileFeatures, FeatureError } from '@roost/shared/features/compile.ts'
import { FeatureDefinitions } from '@roost/shared/features/definition.ts'
import type { FailureReason } from '@roost/shared/protocol/progress.ts'
import type { z } from 'zod'
import type { LoadedBundle } from './messages.ts'
import { openSession, type Session, SessionError } from './session.ts'

export type OpenBundle = {
  bundle: LoadedBundle
  session: Session
  features?: CompiledFeatures
  baseline?: Baseline
  golden?: Golden
  loadMs: number
}

/** A bundle that is no good, with the reason the hub counts. */
export class BundleError extends Error {
  override readonly name = 'BundleError'
  readonly reason: FailureReason
  readonly deployment: string
  constructor(reason: FailureReason, deployment: string, message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
    this.deployment = deployment
  }
}

/** Reads and loads one bundle.
 *  @throws BundleError */
export async function openBundle(
  bundle: LoadedBundle,
  options: { threads: number; clock: () => number },
): Promise<OpenBundle> {
  const started = options.clock()
  const definitions = await readPart(bundle, 'features', FeatureDefinitions)
  const baseline = await readPart(bundle, 'baseline', Baseline)
  const golden = await readPart(bundle, 'golden', Golden)
  const model = await readVerified(bundle, 'model')
  if (model === undefined) throw new BundleError('load', bundle.deployment, 'the bundle has no model')
  const session = await openModel(bundle, model, options.threads)
  try {
    checkSpecs(bundle, session)
    const features = definitions && compile(bundle, definitions)
    return {
      bundle,
      session,
      ...(features && { features }),
      ...(baseline && { baseline }),
      ...(golden && { golden }),
      loadMs: options.clock() - started,
    }
  } catch (error) {
    await session.close()
    throw error
  }
}

async function readVerified(bundle: LoadedBundle, role: BundleFile['role']): Promise<Buffer | undefined> {
  const path = bundle.files[role]
  const file = bundle.manifest.files.find((candidate) => candidate.role === role)
  if (path === undefined && file === undefined) return undefined
  if (path === undefined || file === undefined) {
    throw new BundleError('load', bundle.deployment, `the ${role} file is on one side only, manifest or disk`)
  }
  const bytes = await readBytes(bundle, role, path)
  if (createHash('sha256').update(bytes).digest('hex') !== file.sha256) {
    throw new BundleError('signature', bundle.deployment, `the ${role} file does not hash to what the manifest names`)
  }
  return bundle.manifest.sealed === undefined ? bytes : opened(bundle, file, bytes)
}

/** The file of a sealed bundle, decrypted where its ciphertext lay: it is never on disk, nor twice in memory. */
function opened({ deployment, contentKey }: LoadedBundle, { role, plain }: BundleFile, bytes: Buffer): Buffer {
  if (contentKey === undefined) throw new BundleError('sealed', deployment, 'the bundle is sealed, and there is no key')
  const content = openFile(contentKey, role, bytes)
  if (content === undefined) {
    throw new BundleError('sealed', deployment, `the ${role} file does not open with the bundle's key`)
  }
  if (createHash('sha256').update(content).digest('hex') !== plain?.sha256) {
    throw new BundleError('sealed', deployment, `the ${role} file opens to something else than the manifest names`)
  }
  return Buffer.from(content.buffer, content.byteOffset, content.length)
}

async function readBytes(bundle: LoadedBundle, role: string, path: string): Promise<Buffer> {
  try {
    return await readFile(path)
  } catch (error) {
    throw new BundleError('load', bundle.deployment, `the ${role} file cannot be read: ${error}`, { cause: error })
  }
}

async function readPart<Part>(
  bundle: LoadedBundle,
  role: BundleFile['role'],
  schema: z.ZodType<Part>,
): Promise<Part | undefined> {
  const bytes = await readVerified(bundle, role)
  if (bytes === undefined) return undefined
  try {
    return schema.parse(JSON.parse(bytes.toString('utf8')))
  } catch (error) {
    throw new BundleError('load', bundle.deployment, `the ${role} file is not valid: ${error}`, { cause: error })
  }
}

async function openModel(bundle: LoadedBundle, bytes: Uint8Array, threads: number): Promise<Session> {
  try {
    return await openSession(bytes, { threads })
  } catch (error) {
    if (!(error instanceof SessionError)) throw error
    throw new BundleError(error.code, bundle.deployment, error.message, { cause: error })
  }
}

/** The manifest speaks for the model everywhere else (requests, baseline), so both must say the same. */
function checkSpecs({ deployment, manifest }: LoadedBundle, session: Session): void {
  const sides = [
    ['input', manifest.inputs, session.inputs],
    ['output', manifest.outputs, session.outputs],
  ] as const
  for (const [side, declared, actual] of sides) {
    const wrong =
      declared.find((spec) => !actual.some((other) => agrees(spec, other))) ??
      actual.find((spec) => !declared.some((other) => other.name === spec.name))
    if (wrong === undefined) continue
    throw new BundleError('load', deployment, `${side} '${wrong.name}' is not the same in manifest and model`)
  }
}

/** The manifest may leave open what the model fixes, or fix what the model leaves open, but not contradict it. */
function agrees(declared: TensorSpec, actual: TensorSpec): boolean {
  return (
    declared.name === actual.name &&
    declared.name !== '__proto__' &&
    declared.datatype === actual.datatype &&
    declared.shape.length === actual.shape.length &&
    declared.shape.every((size, axis) => size === -1 || actual.shape[axis] === -1 || actual.shape[axis] === size)
  )
}

function compile({ deployment, manifest }: LoadedBundle, definitions: FeatureDefinitions): CompiledFeatures {
  try {
    const features = compileFeatures(definitions)
    for (const { name, features: taken } of definitions.inputs) {
      const spec = manifest.inputs.find((input) => input.name === name)
      if (spec === undefined || !holdsRow(spec, taken.length)) {
        throw new BundleError('load', deployment, `the features of input '${name}' do not fit the model`)
      }
    }
    return features
  } catch (error) {
    if (!(error instanceof FeatureError)) throw error
    throw new BundleError('load', deployment, `features: ${error.message}`, { cause: error })
  }
}

/** Whether one row of features can be fed as [1, features] or [features]. */
function holdsRow({ datatype, shape }: TensorSpec, features: number): boolean {
  const row = shape.at(-1)
  const batch = shape.length === 2 ? shape[0] : 1
  return (
    datatype === 'FP32' &&
    (shape.length === 1 || shape.length === 2) &&
    (row === -1 || row === features) &&
    (batch === -1 || batch === 1)
  )
}
