// The settings of this hub as they may be shown: every one of them, and of those that are secret only whether they are set.

import { type Config, type SettingName, settings } from '../config.ts'

export type ShownSetting = { name: string; what: string; value: string | null; isSecret: boolean }

const dayMs = 86_400_000

/** In the order of the documentation; null: not set. */
export function shownSettings(config: Config): ShownSetting[] {
  const values: Record<SettingName, string | number | undefined> = {
    ROOST_DATA_DIR: config.dataDir,
    ROOST_HTTP_HOST: config.httpHost,
    ROOST_HTTP_PORT: config.httpPort,
    ROOST_MQTT_HOST: config.mqttHost,
    ROOST_MQTT_PORT: config.mqttPort,
    ROOST_MQTT_WS_PORT: config.mqttWsPort,
    ROOST_MQTT_URL: config.broker?.url,
    ROOST_MQTT_FILES_DIR: config.broker?.folder,
    ROOST_MQTT_PID_FILE: config.broker?.pidFile,
    ROOST_MQTT_CA_FILE: config.broker?.caFile,
    ROOST_PUBLIC_URL: withoutPassword(config.publicUrl),
    ROOST_PUBLIC_MQTT_URL: withoutPassword(config.publicMqttUrl),
    ROOST_TLS_CERT_FILE: config.tls?.certFile,
    ROOST_TLS_KEY_FILE: config.tls?.keyFile,
    ROOST_UPLOAD_BYTES_MAX: config.uploadBytesMax,
    ROOST_LOG_LEVEL: config.logLevel,
    ROOST_WINDOWS_KEPT_DAYS: config.windowsKeptMs / dayMs,
    ROOST_EVENTS_KEPT_DAYS: config.eventsKeptMs / dayMs,
    ROOST_OPENLINEAGE_URL: config.openLineage.url,
    ROOST_OPENLINEAGE_TOKEN: config.openLineage.token,
    ROOST_OPENLINEAGE_NAMESPACE: config.openLineage.namespace,
  }
  return Object.entries(settings).map(([name, setting]) => {
    const value = values[name as SettingName]
    const isSecret = 'secret' in setting
    return {
      name,
      what: setting.what,
      value: value === undefined ? null : isSecret ? '(set)' : String(value),
      isSecret,
    }
  })
}

/** An address may have been given with user and password. */
function withoutPassword(address: string | undefined): string | undefined {
  if (address === undefined) return undefined
  const url = new URL(address)
  url.username = ''
  url.password = ''
  return url.href
}
