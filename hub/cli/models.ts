// `roost model …` and `roost sign`: register a version, look at versions, sign a manifest elsewhere and bring it back.

import { readFile, writeFile } from 'node:fs/promises'
import { encodeEnvelope, payloadTypes, signEnvelope } from '@roost/shared/trust/envelope.ts'
import { decodePrivateKey } from '@roost/shared/trust/keys.ts'
import type { Command } from 'commander'
import { z } from 'zod'
import { ModelDocument, VersionDocument } from '../registry/documents.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { fileAsBlob } from './file-blob.ts'
import { readJsonFile } from './json-file.ts'
import { wholeNumber } from './option-values.ts'
import { table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'

export const Models = z.object({ models: z.array(ModelDocument), next: z.string().nullable() })
const Versions = z.object({ versions: z.array(VersionDocument), next: z.string().nullable() })
type PushOptions = ConnectionOptions & { metadata?: string; sample?: string; golden?: string; sign: boolean }

export function addModelCommands(program: Command): void {
  const model = program.command('model').description('models and their versions')

  connected(model.command('push <name> <file>'))
    .description('register an ONNX file as the next version')
    .option('--metadata <file>', 'JSON: description, metrics, features, task, window, limits, profiles')
    .option('--sample <file>', 'CSV or JSON lines of training rows, for the drift baseline')
    .option('--golden <file>', 'JSON: inputs (and outputs) that every device must reproduce')
    .option('--no-sign', 'leave it to be signed elsewhere, also where the hub holds a release key')
    .action(async (name: string, file: string, options: PushOptions) => {
      const { client, output } = connect(options)
      const version = await client.send(
        'POST',
        `/v1/models/${name}/versions`,
        await formOf(file, options),
        VersionDocument,
      )
      output.print(version, versionLines(version))
    })

  connected(model.command('list'))
    .description('all models')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const listed = await readPages(client, '/v1/models', Models, ({ models }) => models)
      const rows = listed.items.map((row) => [row.name, row.latestVersion, time(Date.parse(row.createdAt))])
      output.print({ models: listed.items }, [
        ...table(['model', 'latest', 'since'], rows),
        ...andMore(listed, 'GET /v1/models has all'),
      ])
    })

  connected(model.command('show <name>'))
    .argument('[version]', 'its number', wholeNumber)
    .description('the versions of a model, or one of them')
    .action(async (name: string, version: number | undefined, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      if (version !== undefined) {
        const found = await client.get(`/v1/models/${name}/versions/${version}`, VersionDocument)
        return output.print(found, versionLines(found))
      }
      const listed = await readPages(client, `/v1/models/${name}/versions`, Versions, ({ versions }) => versions)
      const rows = listed.items.map((row) => [row.version, row.state, row.description, time(Date.parse(row.createdAt))])
      output.print({ versions: listed.items }, [
        ...table(['version', 'state', 'description', 'registered'], rows),
        ...andMore(listed, `GET /v1/models/${name}/versions has all`),
      ])
    })

  connected(model.command('manifest <name>'))
    .argument('<version>', 'its number', wholeNumber)
    .description('write the exact bytes of a manifest, to be signed elsewhere')
    .requiredOption('--out <file>', 'where to')
    .action(async (name: string, version: number, options: ConnectionOptions & { out: string }) => {
      const { client, output } = connect(options)
      await writeFile(options.out, await client.bytes(`/v1/models/${name}/versions/${version}/manifest`))
      output.print({ file: options.out }, [`wrote ${options.out}`])
    })

  connected(model.command('release <name>'))
    .argument('<version>', 'its number', wholeNumber)
    .argument('<envelope>')
    .description('bring a signature made elsewhere (roost sign)')
    .action(async (name: string, version: number, envelope: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const body = await fileAsBlob(envelope, { type: 'application/vnd.dsse.envelope.v1+json' })
      const path = `/v1/models/${name}/versions/${version}/signature`
      const released = await client.send('PUT', path, body, VersionDocument)
      output.print(released, versionLines(released))
    })

  program
    .command('sign <manifest>')
    .description('sign a manifest with a release key; talks to no hub')
    .requiredOption('--key <file>', 'the release key, PEM')
    .requiredOption('--out <file>', 'where the envelope goes')
    .action(async (manifest: string, options: { key: string; out: string }) => {
      const key = decodePrivateKey(await readFile(options.key, 'utf8'))
      await writeFile(options.out, encodeEnvelope(signEnvelope(payloadTypes.manifest, await readFile(manifest), [key])))
      process.stdout.write(`wrote ${options.out}, signed by ${key.keyid}\n`)
    })
}

/** The multipart body, its files streamed from disk. */
async function formOf(file: string, options: PushOptions): Promise<FormData> {
  const form = new FormData()
  form.set('metadata', new Blob([JSON.stringify(await metadataOf(options))], { type: 'application/json' }))
  if (options.golden !== undefined) form.set('golden', await fileAsBlob(options.golden))
  if (options.sample !== undefined) form.set('sample', await fileAsBlob(options.sample))
  form.set('model', await fileAsBlob(file))
  return form
}

async function metadataOf(options: PushOptions): Promise<Record<string, unknown>> {
  const given = options.metadata === undefined ? {} : await readJsonFile(options.metadata)
  const metadata = z.record(z.string(), z.unknown()).safeParse(given)
  if (!metadata.success) throw new Error(`${options.metadata} does not hold a JSON object`)
  return options.sign ? metadata.data : { ...metadata.data, sign: false }
}

function versionLines(version: z.infer<typeof VersionDocument>): string[] {
  const { baseline } = version
  return [
    `${version.model} ${version.version}: ${version.state.replace('_', ' ')}${version.description === '' ? '' : `, ${version.description}`}`,
    `manifest ${version.manifest}`,
    ...version.files.map(
      ({ role, sizeBytes, sha256 }) => `  ${role.padEnd(8)} ${String(sizeBytes).padStart(9)} bytes  ${sha256}`,
    ),
    baseline.noVerdict === null
      ? `drift: judged against ${baseline.windows} baseline windows of ${baseline.columns} columns`
      : `drift: no verdict, ${baseline.noVerdict}`,
    ...Object.entries(version.metrics).map(([name, value]) => `  ${name} = ${value}`),
  ]
}
