// `roost audit` as a process: against a hub that runs, and on the files of one that stopped.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { createClient } from '@libsql/client'
import { pino } from 'pino'
import { expect, test } from 'vitest'
import { readConfig } from '../../../hub/config.ts'
import { writeAudited } from '../../../hub/governance/audit.ts'
import { startHub } from '../../../hub/start.ts'
import { roost } from './roost.ts'

test('lists, exports and verifies while the hub runs; verifies its files when it does not, and finds what was done to them', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'roost-audit-cli-'))
  const ports = { ROOST_HTTP_PORT: '0', ROOST_MQTT_PORT: '0', ROOST_MQTT_WS_PORT: '0' }
  const running = await startHub(readConfig({ ROOST_DATA_DIR: folder, ...ports }), pino({ level: 'silent' }))
  const hub = { url: running.url, token: running.adminToken ?? '' }
  // more than a stretch that is verified at a time
  const edited = 10_200
  const edits = Array.from({ length: edited }, (_, i) => ({
    actor: 'token:t',
    action: 'group.edit',
    subject: `group:g-${i}`,
    // commands for a terminal among it
    after: { text: `${'ü'.repeat(50)}\u009b2J\u007f` },
  }))
  await writeAudited(running.hub.database, Date.now(), edits, [])

  const made = await roost(hub, 'token', 'create', 'auditor', '--role', 'admin', '--scope', 'admin:audit')
  const auditor = { ...hub, token: made.stdout.trim() }
  const listed = await roost(auditor, 'audit', 'list', '--action', 'token.')
  expect(listed.stdout).toMatch(/row +at +actor +action +subject\n.*token\.create.*\n.*hub +token\.create/)
  const refused = await roost(auditor, 'token', 'list')
  expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('narrowed to admin:audit')])

  const exported = await roost(auditor, 'audit', 'export', '--subject', `group:g-${edited - 1}`)
  expect(exported.stdout.split('\n').map((line) => line.slice(0, 13))).toEqual([`{"seq":${edited + 1},`, ''])
  const whole = await roost(auditor, 'audit', 'export')
  const lines = whole.stdout.trimEnd().split('\n')
  expect(lines).toHaveLength(edited + 2)
  expect(/\p{Cc}/u.test(lines.join(''))).toBe(false)
  const asked = await fetch(`${hub.url}/v1/audit/export`, { headers: { authorization: `Bearer ${auditor.token}` } })
  const sent = (await asked.text()).trimEnd().split('\n')
  expect(lines.map((line) => JSON.parse(line))).toEqual(sent.map((line) => JSON.parse(line)))

  expect(await roost(auditor, 'audit', 'verify')).toMatchObject({
    code: 0,
    stdout: expect.stringContaining(`the log is whole: ${edited + 2} rows`),
  })
  const passed = await roost(auditor, 'audit', 'verify', '--head', `5:${'0'.repeat(64)}`)
  expect([passed.code, passed.stdout]).toEqual([1, expect.stringMatching(/NOT whole: 1 faults(.*\n)+5 +replaced/)])
  const beyond = await roost(auditor, 'audit', 'verify', '--head', `${edited + 99}:${'0'.repeat(64)}`)
  expect([beyond.code, beyond.stdout]).toEqual([1, expect.stringMatching(/NOT whole: 1 faults(.*\n)+.*cut-off/)])
  const held = await roost(hub, 'audit', 'verify', '--data', folder)
  expect([held.code, held.stderr]).toEqual([1, expect.stringContaining('in use by another hub')])

  await running.close()
  const stopped = await roost(hub, 'audit', 'verify', '--data', folder)
  expect(stopped).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(
      new RegExp(`^the log is whole: ${edited + 2} rows\nhead ${edited + 2}:[0-9a-f]{64}\n$`),
    ),
  })
  const head = stopped.stdout.trim().split(' ').at(-1) ?? ''

  const client = createClient({ url: pathToFileURL(join(folder, 'hub.db')).href })
  await client.execute('DROP TRIGGER audit_log_is_not_updated')
  await client.execute("UPDATE audit_log SET actor = 'token:x' WHERE seq = 600")
  client.close()
  const found = await roost(hub, 'audit', 'verify', '--data', folder, '--head', head)
  expect(found.code).toBe(1)
  expect(found.stdout).toMatch(/NOT whole: 2 faults in \d+ rows\n(.*\n)*.*unguarded(.*\n)*600 +altered/)
  const nothing = await roost(hub, 'audit', 'verify', '--data', join(folder, 'nowhere'))
  expect([nothing.code, nothing.stderr]).toEqual([1, expect.stringMatching(/nowhere.* cannot be opened: no such file/)])
  rmSync(folder, { recursive: true })
})
