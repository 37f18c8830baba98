// `roost audit …`: who changed what, and whether the log of it is whole.

import { resolve } from 'node:path'
import { Writable } from 'node:stream'
import { type Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'
import { z } from 'zod'
import { faultsToldMax, type Head } from '../governance/audit-chain.ts'
import { SignedHead } from '../governance/audit-head.ts'
import { verifyStopped } from '../governance/audit-offline.ts'
import { AuditEntry, KeptHead, VerificationDocument } from '../governance/audit-routes.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { wholeNumber } from './option-values.ts'
import { createOutput, legibleJson, table, time } from './output.ts'
import { andMore, readPages } from './pages.ts'
import { noTerminal, waitingOn } from './progress.ts'

type FilterOptions = { actor?: string; action?: string; subject?: string; from?: string; to?: string }
type VerifyOptions = ConnectionOptions & { head?: string; data?: string }

const Changes = z.object({ changes: z.array(AuditEntry), next: z.string().nullable() })

const filtered = (command: Command): Command =>
  connected(command)
    .option('--actor <actor>', 'who did it, as token:4kXb9TqL or device:d-42')
    .option('--action <begin>', 'what the action begins with, as token. or rollout.start')
    .option('--subject <subject>', 'what was changed, as model:vibration')
    .option('--from <time>', 'from then on, as 2026-11-25T08:00:00Z')
    .option('--to <time>', 'before then')

export function addAuditCommands(program: Command): void {
  const audit = program.command('audit').description('who changed what, and whether the log of it is whole')
  filtered(audit.command('list'))
    .description('changes, newest first')
    .option('--limit <number>', 'how many', wholeNumber, 50)
    .action(async (options: ConnectionOptions & FilterOptions & { limit: number }) => {
      const { client, output } = connect(options)
      const path = `/v1/audit?${queryOf(options)}`
      const listed = await readPages(client, path, Changes, ({ changes }) => changes, options.limit)
      const rows = listed.items.map((row) => [row.seq, time(Date.parse(row.at)), row.actor, row.action, row.subject])
      output.print({ changes: listed.items }, [
        ...table(['row', 'at', 'actor', 'action', 'subject'], rows),
        ...andMore(listed, 'older ones with --limit, values with --json'),
      ])
    })
  filtered(audit.command('export'))
    .description('changes as JSON lines, oldest first, to standard output')
    .action(async (options: ConnectionOptions & FilterOptions) => {
      const { client } = connect(options)
      const stream = await client.stream(`/v1/audit/export?${queryOf(options)}`)
      // on a terminal the lines themselves show how far it is
      const waiting = waitingOn(process.stdout.isTTY ? noTerminal : process.stderr)
      let sizeBytes = 0
      const counting = new TransformStream<Uint8Array, Uint8Array>({
        transform: (chunk, controller) => {
          sizeBytes += chunk.length
          waiting.say(`${(sizeBytes / 1_048_576).toFixed(1)} MiB exported`)
          controller.enqueue(chunk)
        },
      })
      const escaping = new TransformStream<string, string>({
        transform: (text, controller) => controller.enqueue(legibleJson(text)),
      })
      try {
        await stream
          .pipeThrough(counting)
          .pipeThrough(new TextDecoderStream())
          .pipeThrough(escaping)
          .pipeTo(Writable.toWeb(process.stdout), { preventClose: true })
      } finally {
        waiting.end()
      }
    })
  connected(audit.command('head'))
    .description('the last signed row, to keep elsewhere and give to verify --head')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const head = await client.get('/v1/audit/head', SignedHead)
      output.print(head, [`${head.seq}:${head.hash}`])
    })
  connected(audit.command('verify'))
    .description('finds a row that was altered, removed, inserted or moved, and an end that was cut off')
    .option('--head <row:hash>', 'a head kept from before, that must still be in the log')
    .option('--data <folder>', 'the data folder of a hub that is stopped, instead of asking a hub')
    .action(async (options: VerifyOptions) => {
      const verified = options.data === undefined ? await askHub(options) : await readFolder(options, options.data)
      const output = createOutput(options.json === true, (text) => process.stdout.write(text))
      output.print(verified, verdictLines(verified))
      if (!verified.ok) process.exitCode = 1
    })
}

type Verified = Omit<z.infer<typeof VerificationDocument>, 'signed' | 'next'>

/** Rows of a stretch: about a second of the hub's work, so that no answer takes long however long the log is. */
const stretchRows = 10_000

/** Stretch by stretch to the end; together they say what one verification of all would. */
async function askHub(options: VerifyOptions): Promise<Verified> {
  const { client } = connect(options)
  const kept = options.head === undefined ? undefined : keptHead(options.head)
  const waiting = waitingOn(process.stderr)
  const ask = (after: Head | undefined, next: string | undefined) => {
    const query = new URLSearchParams({ limit: String(stretchRows) })
    if (next !== undefined) query.set('after', next)
    // found in the stretch it lies in, or missed at the end
    if (options.head !== undefined && kept !== undefined && kept.seq > (after?.seq ?? -1))
      query.set('head', options.head)
    return client.get(`/v1/audit/verification?${query}`, VerificationDocument)
  }
  try {
    let { next, signed, ...sum } = await ask(undefined, undefined)
    while (next !== null) {
      waiting.say(`${sum.rows} of ${signed?.seq ?? '?'} rows read`)
      const more = await ask(KeptHead.parse(next), next)
      sum = {
        ok: sum.ok && more.ok,
        rows: sum.rows + more.rows,
        head: more.head,
        unsigned: more.unsigned,
        faults: [...sum.faults, ...more.faults].slice(0, faultsToldMax),
        faultsFound: sum.faultsFound + more.faultsFound,
      }
      next = more.next
      signed = more.signed
    }
    return sum
  } finally {
    waiting.end()
  }
}

function readFolder({ head }: VerifyOptions, folder: string): Promise<Verified> {
  const log = pino({ level: 'warn' }, pino.destination(2))
  return verifyStopped(resolve(folder), head === undefined ? [] : [keptHead(head)], log)
}

function keptHead(text: string): Head {
  const head = KeptHead.safeParse(text)
  if (!head.success) throw new InvalidArgumentError('--head: give it as roost audit head printed it, <row>:<hash>')
  return head.data
}

function verdictLines({ ok, rows, head, unsigned, faults, faultsFound }: Verified): string[] {
  if (ok) {
    const open = unsigned === 0 ? '' : `; ${unsigned} of them since the head was last signed`
    return [`the log is whole: ${rows} rows${open}`, `head ${head.seq}:${head.hash}`]
  }
  const untold = faultsFound - faults.length
  return [
    `the log is NOT whole: ${faultsFound} faults in ${rows} rows`,
    ...table(
      ['row', 'fault', 'what'],
      faults.map(({ seq, kind, detail }) => [seq, kind, detail]),
    ),
    ...(untold === 0 ? [] : [`and ${untold} more`]),
  ]
}

function queryOf({ actor, action, subject, from, to }: FilterOptions): string {
  const query = new URLSearchParams()
  for (const [name, value] of Object.entries({ actor, action, subject, from, to })) {
    if (value !== undefined) query.set(name, value)
  }
  return query.toString()
}
