// `roost token …` and `roost claim …`: who may talk to the hub, and which devices may enrol.

import { type Command, Option } from 'commander'
import { z } from 'zod'
import { ClaimDocument } from '../fleet/documents.ts'
import { roles } from '../governance/grants.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { label, number, repeated, wholeNumber } from './option-values.ts'
import { labelWords, table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'

const Token = z.looseObject({
  id: z.string(),
  name: z.string(),
  role: z.string(),
  expiresAt: z.string().nullable(),
  revokedAt: z.string().nullable(),
  lastUsedAt: z.string().nullable(),
  scopes: z.array(z.string()).nullable(),
  models: z.array(z.string()).nullable(),
})
const Claims = z.object({ claims: z.array(ClaimDocument), next: z.string().nullable() })
const Nothing = z.undefined()

type TokenOptions = { role: string; days?: number; scope?: string[]; model?: string[] }

export function addTokenCommands(program: Command): void {
  const token = program.command('token').alias('tokens').description('tokens of people and pipelines')
  connected(token.command('create <name>'))
    .description('make a token; it is shown once')
    .addOption(new Option('--role <role>', 'what it may do').choices([...roles]).makeOptionMandatory())
    .option('--days <number>', 'days until it expires', number)
    .option('--scope <scope>', 'narrows the role: ci, or ci:datasets; may be repeated', repeated)
    .option('--model <name>', 'a model it is for, press-* for all that begin so; may be repeated', repeated)
    .action(async (name: string, options: ConnectionOptions & TokenOptions) => {
      const { client, output } = connect(options)
      const { role, days: expiresInDays, scope: scopes, model: models } = options
      const body = { name, role, expiresInDays, scopes, models }
      const made = await client.send('POST', '/v1/tokens', body, Token.extend({ token: z.string() }))
      output.print(made, [made.token])
    })
  connected(token.command('list'))
    .description('all tokens, without their secrets')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const page = await client.get('/v1/tokens', z.object({ tokens: z.array(Token) }))
      const rows = page.tokens.map((row) => [
        row.id,
        row.name,
        row.role,
        row.scopes?.join(' ') ?? 'all',
        row.models?.join(' ') ?? 'all',
        row.expiresAt,
        row.lastUsedAt,
        row.revokedAt,
      ])
      output.print(page, table(['id', 'name', 'role', 'scopes', 'models', 'expires', 'last used', 'revoked'], rows))
    })
  connected(token.command('revoke <id>'))
    .description('revoke a token at once')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      await client.send('DELETE', `/v1/tokens/${encodeURIComponent(id)}`, undefined, Nothing)
      output.print({ id }, [`${id} is revoked`])
    })

  const claim = program.command('claim').alias('claims').description('claim tokens, with which devices enrol')
  connected(claim.command('create'))
    .description('make a claim token; it is shown once')
    .option('--uses <number>', 'devices that may enrol with it', wholeNumber, 1)
    .option('--hours <number>', 'hours until it expires', number, 24)
    .option('--label <key=value>', 'label of every device that enrols with it; may be repeated', label)
    .action(async (options: ConnectionOptions & { uses: number; hours: number; label?: Record<string, string> }) => {
      const { client, output } = connect(options)
      const body = { uses: options.uses, expiresInHours: options.hours, labels: options.label ?? {} }
      const made = await client.send('POST', '/v1/claims', body, ClaimDocument.extend({ token: z.string() }))
      output.print(made, [made.token])
    })
  connected(claim.command('list'))
    .description('claims, newest first, without their tokens')
    .option('--limit <number>', 'how many', wholeNumber, 50)
    .action(async (options: ConnectionOptions & { limit: number }) => {
      const { client, output } = connect(options)
      const listed = await readPages(client, '/v1/claims', Claims, ({ claims }) => claims, options.limit)
      const rows = listed.items.map((row) => [
        row.id,
        row.state,
        `${row.uses} of ${row.usesMax}`,
        labelWords(row.labels),
        time(Date.parse(row.expiresAt)),
        row.createdBy,
      ])
      output.print({ claims: listed.items }, [
        ...table(['claim', 'state', 'used', 'labels', 'expires', 'by'], rows),
        ...andMore(listed, 'older ones with --limit'),
      ])
    })
  connected(claim.command('revoke <id>'))
    .description('no further device enrols with it')
    .action(async (id: string, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      await client.send('DELETE', `/v1/claims/${encodeURIComponent(id)}`, undefined, Nothing)
      output.print({ id }, [`${id} is revoked`])
    })
}
