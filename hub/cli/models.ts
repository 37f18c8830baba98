// `roost model …` and `roost sign`: register a version, look at versions, sign a manifest elsewhere and bring it back.

import { readFile, writeFile } from 'node:fs/promises'
import { encodeEnvelope, payloadTypes, signEnvelope } from '@roost/shared/trust/envelope.ts'
import { decodePrivateKey } from '@roost/shared/trust/keys.ts'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { cardFormats } from '../model-card/formats.ts'
import { ModelDocument, VersionDocument } from '../registry/documents.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { fileAsBlob } from './file-blob.ts'
import { readJsonFile } from './json-file.ts'
import { addModelEdits, filtered, filterQuery, type ListFilter, pathOf, stageOption } from './model-edits.ts'
import { versionReference } from './option-values.ts'
import { figure, legible, table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'
import { resumableBytesMin, uploadFile } from './upload.ts'

export const Models = z.object({ models: z.array(ModelDocument), next: z.string().nullable() })
const Versions = z.object({ versions: z.array(VersionDocument), next: z.string().nullable() })
/** What the hub says of content that it has already (docs/registering.md, problems). */
const Repeat = z.object({ problem: z.object({ code: z.literal('repeat'), version: z.number() }) })
type PushOptions = ConnectionOptions & {
  metadata?: string
  sample?: string
  golden?: string
  sign: boolean
  sealed?: boolean
  reuse?: boolean
  variantOf?: string
}
type CardOptions = ConnectionOptions & { format: (typeof cardFormats)[number]; out?: string }

export function addModelCommands(program: Command): void {
  const model = program.command('model').alias('models').description('models and their versions')

  addPush(model)
  addPush(program)

  filtered(connected(model.command('list')))
    .description('all models')
    .action(async (options: ConnectionOptions & ListFilter) => {
      const { client, output } = connect(options)
      const listed = await readPages(client, `/v1/models${filterQuery(options)}`, Models, ({ models }) => models)
      const rows = listed.items.map((row) => [row.name, row.latestVersion, time(Date.parse(row.createdAt))])
      output.print({ models: listed.items }, [
        ...table(['model', 'latest', 'since'], rows),
        ...andMore(listed, 'GET /v1/models has all'),
      ])
    })

  filtered(connected(model.command('show <name>')))
    .argument('[version]', 'its number or @alias', versionReference)
    .description('the versions of a model, or one of them')
    .addOption(stageOption())
    .action(async (name: string, version: string | undefined, options: ConnectionOptions & ListFilter) => {
      const { client, output } = connect(options)
      if (version !== undefined) {
        const found = await client.get(pathOf(name, version), VersionDocument)
        return output.print(found, versionLines(found))
      }
      const path = `/v1/models/${name}/versions${filterQuery(options)}`
      const listed = await readPages(client, path, Versions, ({ versions }) => versions)
      const rows = listed.items.map((row) => [
        row.version,
        row.state,
        row.stage,
        row.aliases.map((alias) => `@${alias}`).join(' '),
        row.description,
        time(Date.parse(row.createdAt)),
      ])
      output.print({ versions: listed.items }, [
        ...table(['version', 'state', 'stage', 'aliases', 'description', 'registered'], rows),
        ...andMore(listed, `GET /v1/models/${name}/versions has all`),
      ])
    })

  connected(model.command('card <name>'))
    .argument('<version>', 'its number or @alias', versionReference)
    .description('its model card: what it is, of what it was made, how good it is, who let it out')
    .addOption(new Option('--format <form>', 'Markdown, JSON or CycloneDX').choices(cardFormats).default('markdown'))
    .option('--out <file>', 'where to; printed where it is not said')
    .action(async (name: string, version: string, options: CardOptions) => {
      const { client, output } = connect(options)
      const card = await client.bytes(`${pathOf(name, version)}/card?format=${options.format}`)
      if (options.out === undefined)
        process.stdout.write(process.stdout.isTTY ? legible(Buffer.from(card).toString()) : card)
      else {
        await writeFile(options.out, card)
        output.print({ file: options.out }, [`wrote ${options.out}`])
      }
    })

  connected(model.command('manifest <name>'))
    .argument('<version>', 'its number or @alias', versionReference)
    .description('write the exact bytes of a manifest, to be signed elsewhere')
    .requiredOption('--out <file>', 'where to')
    .option('--variant <name>', 'which one; the first of the version where it is not said')
    .action(async (name: string, version: string, options: ConnectionOptions & { out: string; variant?: string }) => {
      const { client, output } = connect(options)
      const query = options.variant === undefined ? '' : `?variant=${encodeURIComponent(options.variant)}`
      await writeFile(options.out, await client.bytes(`${pathOf(name, version)}/manifest${query}`))
      output.print({ file: options.out }, [`wrote ${options.out}`])
    })

  connected(model.command('release <name>'))
    .argument('<version>', 'its number or @alias', versionReference)
    .argument('<envelope>')
    .description('bring a signature made elsewhere (roost sign)')
    .action(async (name: string, version: string, envelope: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const body = await fileAsBlob(envelope, { type: 'application/vnd.dsse.envelope.v1+json' })
      const path = `${pathOf(name, version)}/signature`
      const released = await client.send('PUT', path, body, VersionDocument)
      output.print(released, versionLines(released))
    })

  addModelEdits(model)

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

const pushExamples = `
Examples:
  $ roost push motes model.onnx --metadata metadata.json --sample training.csv
  $ roost push motes model.onnx --reuse --json`

/** What is done most often goes by its own name too. */
function addPush(parent: Command): void {
  connected(parent.command('push <name> <file>'))
    .description('register an ONNX file as the next version')
    .option('--metadata <file>', 'JSON: description, metrics, features, task, window, limits, profiles')
    .option('--sample <file>', 'CSV or JSON lines of training rows, for the drift baseline')
    .option('--golden <file>', 'JSON: inputs (and outputs) that every device must reproduce')
    .option(
      '--variant-of <version>',
      'as a further variant of this version (its number or @alias), for the profiles of the metadata',
      versionReference,
    )
    .option('--reuse', 'where a version of this very content is there, show that one: a pipeline may run twice')
    .option('--sealed', 'encrypted: only the devices it is assigned to can read its files')
    .option('--no-sign', 'leave it to be signed elsewhere, also where the hub holds a release key')
    .addHelpText('after', pushExamples)
    .action(async (name: string, file: string, options: PushOptions) => {
      const { client, output, hub } = connect(options)
      const model = await fileAsBlob(file)
      const form = await formOf(options, model.size < resumableBytesMin ? model : await uploadFile(hub, model))
      const version = await client
        .send('POST', pushPath(name, options), form, VersionDocument)
        .catch(async (error: unknown) => {
          const there = options.reuse ? Repeat.safeParse(error).data : undefined
          if (there === undefined) throw error
          const found = await client.get(pathOf(name, there.problem.version), VersionDocument)
          if (found.deletedAt !== null) throw error
          return found
        })
      output.print(version, versionLines(version))
    })
}

/** The multipart body, its files streamed from disk. `model`: the file, or the id of the upload that holds it. */
async function formOf(options: PushOptions, model: Blob | string): Promise<FormData> {
  const form = new FormData()
  const metadata = { ...(await metadataOf(options)), ...(typeof model === 'string' ? { upload: model } : {}) }
  form.set('metadata', new Blob([JSON.stringify(metadata)], { type: 'application/json' }))
  if (options.golden !== undefined) form.set('golden', await fileAsBlob(options.golden))
  if (options.sample !== undefined) form.set('sample', await fileAsBlob(options.sample))
  if (typeof model !== 'string') form.set('model', model)
  return form
}

async function metadataOf(options: PushOptions): Promise<Record<string, unknown>> {
  const given = options.metadata === undefined ? {} : await readJsonFile(options.metadata)
  const metadata = z.record(z.string(), z.unknown()).safeParse(given)
  if (!metadata.success) throw new Error(`${options.metadata} does not hold a JSON object`)
  const { sign, sealed } = options
  return { ...metadata.data, ...(sign ? {} : { sign: false }), ...(sealed ? { sealed } : {}) }
}

const pushPath = (name: string, { variantOf }: PushOptions): string =>
  variantOf === undefined ? `/v1/models/${name}/versions` : `${pathOf(name, variantOf)}/variants`

type Version = z.infer<typeof VersionDocument>

function versionLines(version: Version): string[] {
  const { description, stage, aliases, tags, framework, run, commit, dataset, datasets } = version
  const words = [version.state.replace('_', ' '), stage, ...aliases.map((alias) => `@${alias}`), description]
  return [
    `${version.model} ${version.version}: ${words.filter((word) => word !== '').join(', ')}`,
    ...(framework === null ? [] : [`made with ${framework}`]),
    ...(run === null ? [] : [`of run ${run}`]),
    ...(commit === null ? [] : [`of commit ${commit}`]),
    ...(dataset === null ? [] : [`of dataset ${dataset}`]),
    ...datasets.map(({ digest, role }) => `of snapshot ${digest}, ${role}`),
    ...Object.entries(tags).map(([key, value]) => `  ${key}=${value}`),
    ...Object.entries(version.metrics).map(([name, value]) => `  ${name} = ${figure(value)}`),
    ...version.variants.flatMap(variantLines),
  ]
}

function variantLines({
  variant,
  state,
  manifest,
  sealed,
  files,
  profiles,
  baseline,
  compatibility,
}: Version['variants'][number]) {
  const latency = compatibility.hubLatencyMs
  const [first, ...others] = compatibility.profiles
  const ofAll = (first?.reasons ?? []).filter((reason) => others.every(({ reasons }) => reasons.includes(reason)))
  return [
    `variant ${variant} for ${profiles.length === 0 ? 'any profile' : profiles.join(', ')}: ${state.replace('_', ' ')}${sealed ? ', sealed' : ''}`,
    `manifest ${manifest}`,
    ...files.map(
      ({ role, sizeBytes, sha256 }) => `  ${role.padEnd(8)} ${String(sizeBytes).padStart(9)} bytes  ${sha256}`,
    ),
    baseline.noVerdict === null
      ? `drift: judged against ${baseline.windows} baseline windows of ${baseline.columns} columns`
      : `drift: no verdict, ${baseline.noVerdict}`,
    ...(latency === null ? [] : [`an inference took ${latency.toFixed(2)} ms at the hub; estimated for devices:`]),
    ...compatibility.profiles.map(({ profile, verdict, reasons, memoryBytes, latencyMs }) => {
      const estimates = [
        ...(memoryBytes === null ? [] : [`${(memoryBytes / 1_048_576).toFixed(1)} MiB`]),
        ...(latencyMs === null ? [] : [`${latencyMs.toFixed(2)} ms`]),
      ]
      const about = reasons.filter((reason) => !ofAll.includes(reason))
      return `  ${profile.padEnd(16)} ${[verdict.replace('-', ' '), ...estimates, ...about].join(', ')}`
    }),
    ...ofAll.map((reason) => `  of all: ${reason}`),
  ]
}
