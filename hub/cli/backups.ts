// `roost backup …`: backups of a hub that runs.

import type { Command } from 'commander'
import { z } from 'zod'
import { Backup } from '../backup/document.ts'
import { type ConnectionOptions, connect, connected } from './connection.ts'
import { table, time } from './output.ts'

const Listed = z.object({ folder: z.string(), kept: z.number(), backups: z.array(Backup) })

export function addBackupCommands(program: Command): void {
  const backup = program.command('backup').alias('backups').description('backups of the hub, made while it runs')
  connected(backup.command('create'))
    .description("back up database, models and keys into the hub's folder; copy it away from there")
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const made = await client.send('POST', '/v1/backups', {}, Backup)
      const { folder } = await client.get('/v1/backups', Listed)
      output.print(made, [
        `${folder}/${made.name}`,
        `database ${mebibytes(made.databaseBytes)}, ${made.blobs} blobs of ${mebibytes(made.blobBytes)}; it holds the keys: keep it as safe as they are`,
        ...(made.auditHead === null ? [] : [`audit head ${made.auditHead}`]),
      ])
    })
  connected(backup.command('list'))
    .description('the backups there are')
    .action(async (options: ConnectionOptions) => {
      const { client, output } = connect(options)
      const { folder, kept, backups } = await client.get('/v1/backups', Listed)
      const rows = backups.map((row) => [
        row.name,
        time(Date.parse(row.at)),
        mebibytes(row.databaseBytes),
        row.blobs,
        mebibytes(row.blobBytes),
      ])
      output.print({ folder, kept, backups }, [
        ...table(['name', 'made', 'database', 'blobs', 'their size'], rows),
        `in ${folder}, the newest ${kept}`,
      ])
    })
}

const mebibytes = (count: number): string => `${(count / 1_048_576).toFixed(1)} MiB`
