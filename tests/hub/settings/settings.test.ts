// What is told of how a hub is set up: every setting, and no secret, wherever one may have been put.

import { describe, expect, test } from 'vitest'
import { createApp } from '../../../hub/app.ts'
import { readConfig, settings } from '../../../hub/config.ts'
import { SettingsDocument, settingsRoutes } from '../../../hub/settings/routes.ts'
import { shownSettings } from '../../../hub/settings/shown.ts'
import { aHub, readAs } from '../a-hub.ts'

describe('the settings that are shown', () => {
  test('are all there are, in their order, as they hold', () => {
    const shown = shownSettings(readConfig({ ROOST_DATA_DIR: '/srv/roost', ROOST_WINDOWS_KEPT_DAYS: '7' }))
    expect(shown.map(({ name }) => name)).toEqual(Object.keys(settings))
    const told = (name: string) => shown.find((setting) => setting.name === name)?.value
    expect(told('ROOST_DATA_DIR')).toBe('/srv/roost')
    expect(told('ROOST_HTTP_PORT')).toBe('7070')
    expect(told('ROOST_WINDOWS_KEPT_DAYS')).toBe('7')
    expect(told('ROOST_OPENLINEAGE_TOKEN')).toBeNull()
  })

  test('have no secret in them', () => {
    const shown = shownSettings(
      readConfig({
        ROOST_OPENLINEAGE_URL: 'https://lineage.example/api?key=hush-1',
        ROOST_OPENLINEAGE_TOKEN: 'hush-2',
        ROOST_PUBLIC_URL: 'https://user:hush-3@roost.example',
        ROOST_PUBLIC_MQTT_URL: 'mqtts://user:hush-4@roost.example:8883',
      }),
    )
    expect(JSON.stringify(shown)).not.toContain('hush')
    const secrets = shown.filter(({ name, isSecret }) => isSecret && name.startsWith('ROOST_OPENLINEAGE'))
    expect(secrets.map(({ value }) => value)).toEqual(['(set)', '(set)'])
  })
})

test('the route tells what runs, to operators', async () => {
  await using hub = await aHub()
  const app = createApp(hub, [settingsRoutes(hub, { ports: { tcp: 1, webSocket: 2 }, connectedDevices: () => ['d'] })])
  const ask = async (role: 'viewer' | 'operator') =>
    app.request('/v1/settings', { headers: { authorization: `Bearer ${await hub.tokenOf(role)}` } })
  expect((await ask('viewer')).status).toBe(403)
  const told = await readAs(SettingsDocument, ask('operator'))
  expect(told).toMatchObject({ connectedDevices: 1, ports: { mqtt: 1, mqttWebSocket: 2 }, tls: null })
  expect(told.disk.databaseBytes).toBeGreaterThan(0)
  expect(told.disk.freeBytes).toBeLessThanOrEqual(told.disk.totalBytes)
})
