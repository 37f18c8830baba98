// `roost model …`: what may change of models and versions: words, tags, aliases, stages, and whether they are there.

import { type Command, Option } from 'commander'
import { z } from 'zod'
import { AliasDocument, AliasList } from '../registry/alias-routes.ts'
import { ModelDocument, VersionDocument } from '../registry/documents.ts'
import { stages } from '../registry/stages.ts'
import { SealingDocument } from '../sealing/routes.ts'
import type { Client } from './client.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { label, repeated, versionReference, wholeNumber } from './option-values.ts'
import { table, time } from './output.ts'
import { versionNumber } from './version-number.ts'

type EditOptions = ConnectionOptions & { description?: string; tag?: Record<string, string>; untag?: string[] }

export function addModelEdits(model: Command): void {
  connected(model.command('edit <name>'))
    .argument('[version]', 'its number or @alias; without it the model itself', versionReference)
    .description('change description and tags of a version, or of a model')
    .option('--description <text>')
    .option('--tag <key=value>', 'set a tag; may be repeated', label)
    .option('--untag <key>', 'take a tag away; may be repeated', repeated)
    .action(async (name: string, version: string | undefined, options: EditOptions) => {
      const { client, output } = connect(options)
      const path = pathOf(name, version)
      const untagged = Object.fromEntries((options.untag ?? []).map((key) => [key, null]))
      const tags = { ...options.tag, ...untagged }
      const edit = {
        ...(options.description === undefined ? {} : { description: options.description }),
        ...(Object.keys(tags).length === 0 ? {} : { tags }),
      }
      // what is named here is set whatever it was, the rest is left as it is: nothing of others' can be lost
      const schema = z.union([VersionDocument, ModelDocument])
      const edited = await client.send('PATCH', path, edit, schema, { 'if-match': '*' })
      const words = Object.entries(edited.tags).map(([key, value]) => `  ${key}=${value}`)
      output.print(edited, [`${name}${version === undefined ? '' : ` ${version}`}: ${edited.description}`, ...words])
    })

  connected(model.command('alias <name> <alias>'))
    .argument('[version]', 'where it is to point, a number or @alias; without it, where it points', versionReference)
    .description('point an alias at a version, show it, or take it away')
    .option('--remove', 'take it away')
    .action(
      async (
        name: string,
        alias: string,
        version: string | undefined,
        options: ConnectionOptions & { remove?: boolean },
      ) => {
        const { client, output } = connect(options)
        const path = `/v1/models/${name}/aliases/${encodeURIComponent(alias)}`
        if (options.remove) {
          await client.send('DELETE', path, undefined, z.undefined())
          return output.print({ removed: alias }, [`${name} @${alias} is gone`])
        }
        const found =
          version === undefined
            ? await client.get(path, AliasDocument)
            : await client.send('PUT', path, { version: await versionNumber(client, name, version) }, AliasDocument)
        output.print(found, [`${name} @${alias} is version ${found.version}`])
      },
    )

  connected(model.command('seal <name>'))
    .description('seal the versions that are registered from now on: only devices they are assigned to can read them')
    .option('--off', 'seal them no longer; those that are there stay as they are')
    .action(async (name: string, options: ConnectionOptions & { off?: boolean }) => {
      const { client, output } = connect(options)
      const sealed = options.off !== true
      const found = await client.send('PUT', `/v1/models/${name}/sealing`, { sealed }, SealingDocument)
      output.print(found, [`the next versions of ${name} are ${found.sealed ? 'sealed' : 'not sealed'}`])
    })

  connected(model.command('aliases <name>'))
    .description('all aliases of a model')
    .action(async (name: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const found = await client.get(`/v1/models/${name}/aliases`, AliasList)
      const rows = found.aliases.map((row) => [
        `@${row.alias}`,
        row.version,
        row.changedBy,
        time(Date.parse(row.changedAt)),
      ])
      output.print(found, table(['alias', 'version', 'by', 'since'], rows))
    })

  connected(model.command('stage <name>'))
    .argument('<version>', 'its number or @alias', versionReference)
    .argument('<stage>', stages.join(', '))
    .description('put a version into a stage by hand, where no promotion policy does')
    .action(async (name: string, version: string, stage: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const moved = await client.send('PUT', `${pathOf(name, version)}/stage`, { stage }, VersionDocument)
      output.print(moved, [`${name} ${moved.version} is in ${moved.stage}`])
    })

  connected(model.command('delete <name>'))
    .argument('[version]', 'its number or @alias; without it the model with all its versions', versionReference)
    .description('hide a version or a model that no device and no rollout uses')
    .action(async (name: string, reference: string | undefined, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const version = reference === undefined ? undefined : await versionNumber(client, name, reference)
      await client.send('DELETE', pathOf(name, version), undefined, z.undefined())
      const what = wordsOf(name, version)
      output.print({ deleted: what }, [`${what} is hidden; roost model restore ${what} brings it back`])
    })

  connected(model.command('restore <name>'))
    .argument('[version]', 'its number; without it the model', wholeNumber)
    .description('bring back what was deleted')
    .action(async (name: string, version: number | undefined, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      output.print(await restore(client, name, version), [`${wordsOf(name, version)} is back`])
    })
}

/** Of the commands that list: tags and deleted ones. */
export const filtered = (command: Command): Command =>
  command
    .option('--tag <key or key=value>', 'only with this tag; may be repeated', repeated)
    .option('--deleted', 'those that are deleted')
export const stageOption = (): Option => new Option('--stage <stage>', 'only in this stage').choices([...stages])

export type ListFilter = { tag?: string[]; deleted?: boolean; stage?: string }

/** As the query of a list. */
export function filterQuery({ tag = [], deleted, stage }: ListFilter): string {
  const query = new URLSearchParams()
  for (const text of tag) query.append('tag', text)
  if (deleted) query.set('deleted', 'true')
  if (stage !== undefined) query.set('stage', stage)
  return query.size === 0 ? '' : `?${query}`
}

const restore = (client: Client, name: string, version: number | undefined): Promise<unknown> =>
  version === undefined
    ? client.send('POST', `${pathOf(name, version)}/restore`, {}, ModelDocument)
    : client.send('POST', `${pathOf(name, version)}/restore`, {}, VersionDocument)

const wordsOf = (name: string, version: number | undefined): string =>
  version === undefined ? name : `${name} ${version}`

export const pathOf = (name: string, version: string | number | undefined): string =>
  version === undefined ? `/v1/models/${name}` : `/v1/models/${name}/versions/${encodeURIComponent(version)}`
