import { expect, test } from 'vitest'
import { configure } from './configuration.ts'
import { readEnvFile } from './env-file.ts'
import { printedConfiguration } from './print-config.ts'
import { allSettings } from './settings-table.ts'

const SECRET = 's3cret/+'.repeat(4)

interface Given {
  readonly dev?: boolean
  readonly port?: string
  readonly environment?: Record<string, string>
  readonly file?: string
  readonly connections?: number
}

/** The printed lines by the name of the setting, without the padding. */
function printed({ dev = false, port, environment = {}, file = '', connections = 20_000 }: Given) {
  const configuration = configure({
    flags: { dev, ...(port && { port }) },
    environment,
    file: readEnvFile(Buffer.from(file)),
    readSecret: () => `${SECRET}\n`,
  })
  const text = printedConfiguration(configuration, connections)
  const lines = text.split('\n').map(line => line.replace(/ +# /, ' # '))
  return { text, line: (name: string) => lines.find(line => line.startsWith(`${name}=`)), lines }
}

test('[S13] --print-config prints each setting with its value and where that comes from', () => {
  const { line, lines } = printed({
    environment: { AUTH: 'open', PING_MS: '888' },
    file: 'PING_MS=777\nPORT=4000\n',
  })
  expect(lines).toHaveLength(allSettings.length)
  expect(line('PORT')).toBe('PORT=4000 # .env')
  expect(line('PING_MS')).toBe('PING_MS=888 # environment')
  expect(line('OFFLINE_GRACE_MS')).toBe('OFFLINE_GRACE_MS=5000 # default')
  expect(printed({ port: '80', file: 'AUTH=open\nPORT=4000' }).line('PORT')).toBe('PORT=80 # --port')
  expect(line('HOST')).toBe('HOST= # unset: all interfaces')
  expect(line('DASHBOARD')).toBe('DASHBOARD=off # default')
})

test('[S13] it prints what development changes, and an ignored line of .env is not printed', () => {
  const development = printed({ dev: true })
  expect(development.line('ENVIRONMENT')).toBe('ENVIRONMENT=development # --dev')
  expect(development.line('HOST')).toBe('HOST=127.0.0.1 # default in development')
  expect(development.line('LOG_LEVEL')).toBe('LOG_LEVEL=debug # default in development')
  const ignored = printed({ file: 'ENVIRONMENT=development', environment: { AUTH: 'open' } })
  expect(ignored.line('ENVIRONMENT')).toBe('ENVIRONMENT=production # default')
})

test('[S13] it prints how many connections the open-file limit allows', () => {
  const AUTH = 'open'
  expect(printed({ environment: { AUTH }, connections: 768 }).line('MAX_CONNECTIONS')).toBe(
    'MAX_CONNECTIONS=768 # unset: 20,000, or fewer if the open-file limit is lower',
  )
  const environment = { AUTH, MAX_CONNECTIONS: '50000' }
  expect(printed({ environment, connections: 768 }).line('MAX_CONNECTIONS')).toBe(
    'MAX_CONNECTIONS=768 # reduced to the open-file limit: environment has 50000',
  )
  expect(printed({ environment, connections: 50_000 }).line('MAX_CONNECTIONS')).toBe(
    'MAX_CONNECTIONS=50000 # environment',
  )
})

test('[S6 S13] it prints for a secret only whether it is set, and hides passwords in URLs', () => {
  const given = { environment: { AUTH_SECRET_FILE: '/run/secret' }, file: `API_KEY=${SECRET}` }
  const { line, text } = printed(given)
  expect(line('AUTH_SECRET')).toBe('AUTH_SECRET=(set, hidden) # AUTH_SECRET_FILE, environment')
  expect(line('API_KEY')).toBe('API_KEY=(set, hidden) # .env')
  expect(text).not.toContain('s3cret')
  expect(printed({ dev: true }).line('API_KEY')).toMatch(/^API_KEY= # unset: /)
  const jwks = { AUTH_JWKS_URL: 'https://keys.test/a//user:pass@b', AUTH_AUDIENCE: 'any' }
  expect(printed({ environment: jwks }).text).not.toContain('pass')
})
