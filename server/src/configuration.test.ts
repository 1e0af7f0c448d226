import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { configure, readFlags } from './configuration.ts'
import { readEnvFile } from './env-file.ts'
import { WrongSettings } from './settings.ts'

interface Given {
  readonly dev?: boolean
  readonly port?: string
  readonly dataDir?: string
  readonly environment?: Record<string, string>
  /** The text of `.env`. */
  readonly file?: string | Uint8Array
}

const start = ({ dev = false, port, dataDir, environment = {}, file = '' }: Given) =>
  configure({
    flags: { dev, ...(port && { port }), ...(dataDir && { 'data-dir': dataDir }) },
    environment,
    file: readEnvFile(Buffer.from(file as string)),
    readSecret: path => `secret of ${path}`,
  })

const refusal = (given: Given): string => {
  try {
    start(given)
  } catch (error) {
    if (error instanceof WrongSettings) return error.message
    throw error
  }
  throw new Error('the settings were accepted')
}

const OPEN = { AUTH: 'open' }
const DEVELOPMENT = { ENVIRONMENT: 'development' }
const PRODUCTION = { ENVIRONMENT: 'production', AUTH: 'open' }

describe('[S5] a flag overrides the environment, and the environment overrides .env', () => {
  test.each<[string, Given, 'development' | 'production', RegExp | undefined]>([
    ['nothing', { environment: OPEN }, 'production', undefined],
    ['--dev', { dev: true }, 'development', undefined],
    ['the environment', { environment: DEVELOPMENT }, 'development', undefined],
    ['--dev and the same in .env', { dev: true, file: 'ENVIRONMENT=development' }, 'development', undefined],
    [
      '--dev against the environment',
      { dev: true, environment: PRODUCTION },
      'development',
      /^the environment sets ENVIRONMENT=production, but --dev overrides it: this is development$/,
    ],
    [
      '--dev against .env',
      { dev: true, file: 'ENVIRONMENT=production' },
      'development',
      /^\.env sets ENVIRONMENT=production, but --dev overrides it: this is development$/,
    ],
    [
      'the environment against .env',
      { environment: DEVELOPMENT, file: 'ENVIRONMENT=production' },
      'development',
      undefined,
    ],
    [
      'the environment against .env',
      { environment: PRODUCTION, file: 'ENVIRONMENT=development' },
      'production',
      undefined,
    ],
    [
      '.env alone',
      { environment: OPEN, file: 'PORT=3050\nENVIRONMENT=development\n' },
      'production',
      /^\.env sets ENVIRONMENT=development, which is ignored there: this is production\. To start development, use --dev \(pnpm dev\), or/,
    ],
    ['production in .env', { file: 'ENVIRONMENT=production\nAUTH=open' }, 'production', undefined],
  ])('%s', (_what, given, environment, warning) => {
    const { settings, texts, warnings } = start(given)
    expect(settings.ENVIRONMENT).toBe(environment)
    expect(texts['ENVIRONMENT'] ?? 'production').toBe(environment)
    expect(warnings).toEqual(warning ? [expect.stringMatching(warning)] : [])
  })

  test('for every setting; an empty text counts as unset', () => {
    const { settings } = start({
      environment: { ...OPEN, PING_MS: '888', PORT: '', HOST: ' ' },
      file: 'PING_MS=777\nPORT=4000\nHOST=127.0.0.1\nOFFLINE_GRACE_MS=1234\nKEEP_DAYS=',
    })
    expect(settings).toMatchObject({
      PING_MS: 888,
      PORT: 4_000,
      HOST: '127.0.0.1',
      OFFLINE_GRACE_MS: 1_234,
      KEEP_DAYS: 30,
    })
  })

  test('no spelling in .env turns a production start into development', () => {
    const space = fc.constantFrom('', ' ', '\t', '\r\n')
    const word = fc.mixedCase(fc.constant('development'), { toggleCase: text => text.toUpperCase() })
    const quote = fc.constantFrom('', '"', "'", '`')
    fc.assert(
      fc.property(
        word,
        space,
        space,
        quote,
        fc.constantFrom('', 'export '),
        (word, before, after, quote, prefix) => {
          const file = `${prefix}ENVIRONMENT=${quote}${before}${word}${after}${quote}\nAUTH=open\n`
          let environment: string | undefined
          try {
            environment = start({ file }).settings.ENVIRONMENT
          } catch (error) {
            if (!(error instanceof WrongSettings)) throw error
          }
          expect(environment).not.toBe('development')
        },
      ),
    )
  })

  test('settings for development only are refused in production, in every source', () => {
    for (const line of ['LIMITS=off', 'LOG_LEVEL=debug', 'DASHBOARD=on']) {
      expect(refusal({ environment: OPEN, file: `ENVIRONMENT=development\n${line}` })).toContain('production')
    }
  })
})

describe('[S8] a refusal lists everything that may explain it', () => {
  test('an ignored line of .env: the reason, and how to start development', () => {
    expect(refusal({ file: 'PORT=3050\nENVIRONMENT=development' })).toMatch(
      /^wrong settings:\n {2}AUTH or another setting of identity must be set in production.*--dev \(pnpm dev\)\.\nthis may be why:\n {2}\.env sets ENVIRONMENT=development, which is ignored there.*--dev/s,
    )
  })

  test('an unreadable .env, before the settings that it might contain', () => {
    const file = Buffer.from('\uFEFFENVIRONMENT=development', 'utf16le')
    expect(refusal({ file })).toMatch(
      /^wrong settings:\n {2}\.env can't be read: it looks like UTF-16: save it as UTF-8\n {2}AUTH or another setting/,
    )
    // Its content is unknown, so it stops even a start that has all required settings.
    expect(refusal({ file, dev: true })).toBe(
      "wrong settings:\n  .env can't be read: it looks like UTF-16: save it as UTF-8",
    )
  })

  test('unknown names, with the likely name', () => {
    const file = 'ENVIROMENT=development\nset PORT=1\nDATABASE_URL=x\nauth=open\nPORT: 5\n'
    expect(
      refusal({ file, environment: { PNIG_MS: '1', HOME: '/root' } }).split('\nthis may be why:\n')[1],
    ).toBe(
      [
        '  .env: line 5 is not NAME=value, and ignored',
        '  .env: ENVIROMENT is unknown; did you mean ENVIRONMENT?',
        '  .env: set PORT is unknown; did you mean PORT?',
        '  .env: DATABASE_URL is unknown',
        '  .env: auth is unknown; did you mean AUTH?',
        '  environment: PNIG_MS is unknown; did you mean PING_MS?',
      ].join('\n'),
    )
  })

  test('the same are warnings if the start continues; values are never printed', () => {
    const { warnings } = start({
      environment: { ...OPEN, environment: 'SECRET' },
      file: 'API_KYE=SECRET\nSECRET\n"SECRET\n',
    })
    expect(warnings).toEqual([
      '.env: lines 2, 3 are not NAME=value, and ignored',
      '.env: API_KYE is unknown; did you mean API_KEY?',
      'environment: environment is unknown; did you mean ENVIRONMENT?',
    ])
  })

  test('common names of environments are not reported', () => {
    const names =
      'PATH HOME USER LOGNAME SHELL TERM LANG LC_ALL PWD OLDPWD SHLVL HOSTNAME EDITOR PAGER MAIL TZ DISPLAY TMPDIR NODE_ENV NODE_OPTIONS ' +
      'NODE_PATH npm_config_registry npm_lifecycle_event INIT_CWD CI DEBUG PORTS_OPEN HOSTTYPE OSTYPE SSH_AUTH_SOCK XDG_RUNTIME_DIR ' +
      'KUBERNETES_PORT KUBERNETES_SERVICE_HOST DATABASE_URL REDIS_HOST REDIS_PORT PGHOST PGPORT AWS_REGION DOCKER_HOST VIRTUAL_ENV ' +
      'PYTHONPATH JAVA_HOME GOPATH INVOCATION_ID JOURNAL_STREAM NOTIFY_SOCKET LISTEN_FDS LISTEN_PID COLUMNS LINES PS1 IFS _'
    const environment = Object.fromEntries(names.split(' ').map(name => [name, 'x']))
    expect(start({ environment: { ...environment, ...OPEN } }).warnings).toEqual([])
  })
})

test('[S4] an unknown flag is an error; the -- of a package manager is ignored', () => {
  expect(readFlags([])).toEqual({ help: false, version: false, 'print-config': false, dev: false })
  expect(readFlags(['--', '--dev'])).toMatchObject({ dev: true })
  expect(readFlags(['--port', '8080', '--data-dir=/var/lib/x'])).toMatchObject({
    port: '8080',
    'data-dir': '/var/lib/x',
  })
  expect(() => readFlags(['--port'])).toThrow(/--port/)
  expect(() => readFlags(['--port', '80', '--data-dir='])).toThrow('--data-dir needs a value')
  expect(() => readFlags(['--prot', '80'])).toThrow(/--prot/)
  expect(() => readFlags(['start'])).toThrow(/start/)
})

test('[S5] --port and --data-dir override the environment and .env, and their values are checked', () => {
  const environment = { ...OPEN, PORT: '1', DATA_DIR: '/environment' }
  const { settings } = start({ environment, file: 'PORT=2', port: '8080', dataDir: '/flag' })
  expect(settings).toMatchObject({ PORT: 8080, DATA_DIR: '/flag' })
  expect(start({ environment }).settings).toMatchObject({ PORT: 1, DATA_DIR: '/environment' })
  expect(refusal({ environment, port: 'http' })).toContain('PORT must be a whole number')
})

test('[S10] a secret can be in a file, whose name is a known setting', () => {
  const { settings, texts, warnings } = start({
    environment: { ...DEVELOPMENT, AUTH_SECRET_FILE: '/run/secrets/signs-tokens' },
  })
  expect(settings.AUTH_SECRET).toEqual(['secret of /run/secrets/signs-tokens'])
  expect(texts['AUTH_SECRET_FILE']).toBeUndefined()
  expect(warnings).toEqual([])
  const both = { ...DEVELOPMENT, API_KEY_FILE: '/key', API_KEY: 'x' }
  expect(refusal({ environment: both })).toContain('API_KEY and API_KEY_FILE must not both be set')
})
