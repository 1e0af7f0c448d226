import { type ServerSettings, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import type { StartStage } from './run.ts'

/** Few changes are kept, so that a slow reader needs the full state. */
const SETTINGS = {
  LIMITS: 'off',
  RESTART_GRACE_MS: 500,
  OFFLINE_GRACE_MS: 200,
  SAVE_EVERY_MS: 1_000,
  RECENT_CHANGES: 60,
  WEBHOOK_SECRET: `whsec_${Buffer.alloc(32, 's').toString('base64')}`,
}

/** The settings of a server with this endpoint for webhooks. */
export function settingsOf(webhookUrl: string): ServerSettings {
  return { ...SETTINGS, WEBHOOK_URLS: webhookUrl }
}

/** One server on a directory of its own. */
export const startSingle: StartStage = async webhookUrl => {
  const dir = temporaryDir()
  const settings = settingsOf(webhookUrl)
  let server = await startServer(dir.path, settings)
  const { port } = server
  return {
    servers: () => [server],
    async restart(random) {
      const signal = random() < 0.6 ? 'SIGKILL' : 'SIGTERM'
      await server.end(signal)
      server = await startServer(dir.path, { ...settings, PORT: port })
      return signal
    },
    async stop() {
      await server.end('SIGKILL')
      dir.remove()
    },
  }
}
