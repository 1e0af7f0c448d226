import { describe, expect, test } from 'vitest'
import { WrongSettings } from '../settings.ts'
import { settingsTable } from '../settings-table.ts'
import { readOptions } from './read-options.ts'
import { type EmbeddingSettings, SETTING_OF } from './settings.ts'

type Options = Parameters<typeof readOptions>[0]

function problems(options: object): readonly string[] {
  try {
    readOptions(options as Options)
  } catch (error) {
    if (error instanceof WrongSettings) return error.problems
    throw error
  }
  return []
}

const OPEN: EmbeddingSettings = { dataDir: '/data', auth: 'open' }

test('options are settings in camel case: numbers, lists, true and false', () => {
  const settings = readOptions({
    ...OPEN,
    offlineGraceMs: 0,
    compression: true,
    allowedOrigins: ['https://a.test', 'https://b.test'],
    allowedHosts: 'a.test, b.test',
    trustProxy: 2,
    pingMs: undefined,
  })
  expect(settings).toMatchObject({
    DATA_DIR: '/data',
    OFFLINE_GRACE_MS: 0,
    COMPRESSION: 'on',
    ALLOWED_ORIGINS: ['https://a.test', 'https://b.test'],
    ALLOWED_HOSTS: ['a.test', 'b.test'],
    TRUST_PROXY: { kind: 'hops', hops: 2 },
    PING_MS: 15_000,
  })
})

test('every option is a setting that exists', () => {
  const names = Object.values(SETTING_OF)
  expect(names.length).toBeGreaterThan(30)
  expect(names.filter(name => !Object.hasOwn(settingsTable, name))).toEqual([])
})

describe('wrong options are refused together, with their own names', () => {
  test.each<[object, string[]]>([
    [{ auth: 'open' }, ['dataDir is missing: name the directory of the state files']],
    [{ ...OPEN, port: 80, DATA_DIR: 'x' }, ['port is not an option', 'DATA_DIR is not an option']],
    [{ ...OPEN, path: 'ws' }, ['path must begin with / and have no query, such as /ws']],
    [{ ...OPEN, toString: 1 }, ['toString is not an option']],
    [{ ...OPEN, pingMs: -1 }, ['pingMs must be a whole number from 100 to 3600000, not "-1"']],
    [
      { dataDir: '/data', authenticate() {}, authSecret: 'x', authUrl: 'y' },
      ['authSecret and authUrl must be left out: authenticate decides who a user is'],
    ],
  ])('%j', (options, expected) => {
    expect(problems(options)).toEqual(expected)
  })

  test('without identity, the error names the options that choose one', () => {
    const [problem] = problems({ dataDir: '/data' })
    expect(problem).toMatch(
      /^auth or another setting of identity must be set .*authSecret.*pass authenticate/,
    )
    expect(problem).not.toMatch(/[A-Z]_[A-Z]|--dev/)
  })
})

test('authenticate replaces the settings of identity, but not what follows from it', () => {
  const authenticate = () => null
  expect(problems({ dataDir: '/data', authenticate })).toEqual([])
  expect(problems({ dataDir: '/data', authenticate, authWatch: 'all', authExpiredGraceMs: 0 })).toEqual([])
})
