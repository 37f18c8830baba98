// `roost promote`, `roost approve` and `roost gates`: move versions from stage to stage, and what lies between.

import { setTimeout as delay } from 'node:timers/promises'
import { type Command, Option } from 'commander'
import { z } from 'zod'
import { PipelineDocument, PolicyDocument, RequestDocument, VerdictDocument } from '../promotion/documents.ts'
import { stages } from '../registry/stages.ts'
import { counted } from '../wording.ts'
import { type Client, RequestError } from './client.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { awayStatuses, exitCodes } from './exit-codes.ts'
import { readJsonFile } from './json-file.ts'
import { versionReference } from './option-values.ts'
import { table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'
import { patience, type WatchOptions } from './watch.ts'

const Requests = z.object({ requests: z.array(RequestDocument), next: z.string().nullable() })
const Verdicts = z.object({ verdicts: z.array(VerdictDocument) })
type Verdict = z.infer<typeof VerdictDocument>
type Request = z.infer<typeof RequestDocument>
type Pipeline = z.infer<typeof PipelineDocument>

const waitEveryMs = 2_000

export function addPromotionCommands(program: Command): void {
  addPromote(program)
  addApprove(program)
  const gates = program.command('gates').description('what lies between the stages of a model')

  connected(gates.command('show <model>'))
    .argument('[version]', 'its number or @alias: what the gates said of it', versionReference)
    .description('the promotion policy of a model, or the verdicts on a version')
    .action(async (model: string, version: string | undefined, options: ConnectionOptions) => {
      const { client, output } = connect(options)
      if (version === undefined) {
        const policy = await client.get(`/v1/models/${model}/promotion`, PolicyDocument)
        return output.print(policy, policyLines(policy))
      }
      const found = await client.get(`/v1/models/${model}/versions/${version}/gates`, Verdicts)
      output.print(found, found.verdicts.length === 0 ? ['none'] : found.verdicts.flatMap(verdictLines))
    })

  connected(gates.command('check <model>'))
    .argument('<version>', 'its number or @alias', versionReference)
    .description('judge the gates of a version now; exit code 5 where one fails, 6 where they are undecided')
    .addOption(new Option('--to <stage>', 'before which stage (the next one)').choices(['staging', 'production']))
    .action(async (model: string, version: string, options: ConnectionOptions & { to?: string }) => {
      const { client, output } = connect(options)
      const body = options.to === undefined ? {} : { to: options.to }
      const verdict = await client.send('POST', `/v1/models/${model}/versions/${version}/gates`, body, VerdictDocument)
      output.print(verdict, verdictLines(verdict))
      process.exitCode = { pass: exitCodes.done, fail: exitCodes.gatesFail, undecided: exitCodes.gatesUndecided }[
        verdict.answer
      ]
    })

  connected(gates.command('set <model> <file>'))
    .description('put a promotion policy (JSON); refused where it has changed since it was read')
    .option('--revision <number>', 'the revision it was made from (the one that holds now)')
    .action(async (model: string, file: string, options: ConnectionOptions & { revision?: string }) => {
      const { client, output } = connect(options)
      const policy = await readJsonFile(file)
      const path = `/v1/models/${model}/promotion`
      const revision = options.revision ?? String((await client.get(path, PolicyDocument)).revision)
      const put = await client.send('PUT', path, policy, PolicyDocument, { 'if-match': `"${revision}"` })
      output.print(put, policyLines(put))
    })
}

const promoteExamples = `
Examples:
  $ roost promote motes 7                          where it stands
  $ roost promote motes 7 --to production --wait`

function addPromote(program: Command): void {
  connected(program.command('promote <model>'))
    .argument('<version>', 'its number or @alias', versionReference)
    .description('move a version to a stage, or ask for approval; without --to say where it stands')
    .addOption(new Option('--to <stage>', 'where to').choices([...stages]))
    .option('--comment <text>', 'for the history', '')
    .option('--override', 'whatever gates and approvals say; an admin may, with a comment that says why')
    .option('--wait', 'until the request is approved (exit code 0), or ends otherwise (1)')
    .addHelpText('after', promoteExamples)
    .addOption(patience())
    .action(
      async (
        model: string,
        version: string,
        options: WatchOptions & { to?: string; comment: string; override?: boolean; wait?: boolean },
      ) => {
        const { client, output } = connect(options)
        const path = `/v1/models/${model}/versions/${version}/promotion`
        const { to, comment, override = false } = options
        if (override && comment === '') throw new Error('say with --comment why gates and approvals are passed over')
        const way =
          to === undefined
            ? await client.get(path, PipelineDocument)
            : await client.send('POST', path, { to, comment, override }, PipelineDocument)
        if (options.wait !== true || openRequest(way) === undefined) return output.print(way, wayLines(way))
        const { ended, request } = await decided(client, way, options.patience)
        output.print(ended, wayLines(ended))
        if (request?.state !== 'approved') {
          process.stderr.write(`roost: ${request === undefined ? 'the request is gone' : requestLine(request)}\n`)
          process.exitCode = exitCodes.refused
        }
      },
    )
}

const openRequest = ({ requests }: Pipeline): Request | undefined => requests.find(({ state }) => state === 'open')

/** By its number and the request's id: an alias may move, and another request be opened, meanwhile.
 *  @param patienceS how long the hub may be away
 *  @throws RequestError where it refuses, or stays away */
async function decided(
  client: Client,
  way: Pipeline,
  patienceS: number,
): Promise<{ ended: Pipeline; request: Request | undefined }> {
  const path = `/v1/models/${encodeURIComponent(way.model)}/versions/${way.version}/promotion`
  const id = openRequest(way)?.id
  process.stderr.write(`roost: waits for ${id}: roost approve ${id}\n`)
  for (let ended = way, heardMs = performance.now(); ; ) {
    const request = ended.requests.find((one) => one.id === id)
    if (request?.state !== 'open') return { ended, request }
    await delay(waitEveryMs)
    try {
      ended = await client.get(path, PipelineDocument)
      heardMs = performance.now()
    } catch (error) {
      const isAway = error instanceof RequestError && awayStatuses.has(error.status)
      if (!isAway || performance.now() - heardMs >= patienceS * 1_000) throw error
    }
  }
}

function addApprove(program: Command): void {
  connected(program.command('approve [request]'))
    .description('approve a request for promotion; without one list those that are open')
    .option('--reject', 'reject it instead')
    .option('--revoke', 'take back your approval; --comment says why')
    .option('--of <approver>', 'with --revoke, as admin: whose approval (token:…)')
    .option('--comment <text>', 'for the history', '')
    .action(
      async (
        id: string | undefined,
        options: ConnectionOptions & { reject?: boolean; revoke?: boolean; of?: string; comment: string },
      ) => {
        const { client, output } = connect(options)
        if (id === undefined) {
          const listed = await readPages(client, '/v1/promotion-requests?state=open', Requests, (page) => page.requests)
          return output.print({ requests: listed.items }, [
            ...requestTable(listed.items),
            ...andMore(listed, 'GET /v1/promotion-requests has all'),
          ])
        }
        const { reject, revoke, of, comment } = options
        if (revoke === true && comment === '') throw new Error('say with --comment why the approval is taken back')
        const path = `/v1/promotion-requests/${encodeURIComponent(id)}`
        const after =
          revoke === true
            ? await client.send(
                'POST',
                `${path}/revocations`,
                { reason: comment, ...(of === undefined ? {} : { approver: of }) },
                RequestDocument,
              )
            : await client.send(
                'POST',
                `${path}/approvals`,
                { decision: reject === true ? 'reject' : 'approve', comment },
                RequestDocument,
              )
        output.print(after, [requestLine(after)])
      },
    )
}

function policyLines({ model, revision, policy }: z.infer<typeof PolicyDocument>): string[] {
  const { stages, previousProduction, alias, rolloutFrom, withoutChampion } = policy
  const before = (['staging', 'production'] as const).flatMap((stage) => {
    const { gates, automatic, approvals } = stages[stage]
    const people =
      approvals.needed === 0
        ? 'no approval'
        : `${counted(approvals.needed, 'approval')} in ${counted(approvals.expireDays, 'day')}`
    return [`before ${stage}: ${people}, ${automatic ? 'by itself' : 'by hand'}`, ...gates.map((gate) => `  ${gate}`)]
  })
  return [
    revision === 0 ? `${model} has no promotion policy; these are the defaults` : `${model}, revision ${revision}`,
    ...before,
    `the version before: ${previousProduction}; alias: ${alias ?? 'none'}; rolled out from: ${rolloutFrom}; without a champion: ${withoutChampion}`,
  ]
}

const verdictLines = ({ id, version, to, answer, rules, lastAt }: Verdict): string[] => [
  `${id}: version ${version} before ${to}: ${answer} (${time(Date.parse(lastAt))})`,
  ...rules.map((rule) => `  ${rule.answer.padEnd(9)} ${rule.rule}: ${rule.sentence}`),
]

function wayLines({ model, version, stage, hold, requests, moves }: Pipeline): string[] {
  const rows = moves.map((move) => [
    time(Date.parse(move.at)),
    `${move.from} -> ${move.to}`,
    move.kind,
    move.actor,
    move.reason,
  ])
  return [
    `${model} ${version} is in ${stage}`,
    ...(hold === null
      ? []
      : [
          `held: ${hold.kind === 'revoked' ? 'an approval was revoked' : 'moved back'} by ${hold.actor}, ${hold.reason}`,
        ]),
    ...requests.filter(({ state }) => state === 'open').map(requestLine),
    ...(rows.length === 0 ? [] : table(['at', 'move', 'how', 'by', 'why'], rows)),
  ]
}

const requestLine = ({ id, model, version, to, state, approved, needed, expiresAt }: Request): string => {
  const until = state === 'open' ? `, until ${time(Date.parse(expiresAt))}` : ''
  return `${id}: ${model} ${version} to ${to}: ${state}, ${approved} of ${counted(needed, 'approval')}${until}`
}

const requestTable = (requests: readonly Request[]): string[] =>
  table(
    ['request', 'version', 'to', 'approvals', 'asked by', 'until'],
    requests.map((row) => [
      row.id,
      `${row.model} ${row.version}`,
      row.to,
      `${row.approved} of ${row.needed}`,
      row.requestedBy,
      time(Date.parse(row.expiresAt)),
    ]),
  )
