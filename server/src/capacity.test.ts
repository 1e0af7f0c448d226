import { expect, test } from 'vitest'
import { capacityOf, DEFAULT_CONNECTIONS, tooFewFiles } from './capacity.ts'
import { UNLIMITED } from './gateway/limits.ts'
import { readSettings } from './settings.ts'

const capacity = (openFiles: number, texts: Record<string, string> = {}) => {
  const { limits, sockets, warning } = capacityOf(readSettings({ AUTH: 'open', ...texts }), openFiles)
  return { connections: limits.connections, sockets, warning }
}

test.each([
  [32, 16, 16],
  [64, 32, 32],
  [256, 128, 208],
  [512, 256, 384],
  [1_024, 768, 896],
  [4_096, 3_840, 3_968],
])(
  '[L6] an open-file limit of %i allows %i connections, with a warning',
  (openFiles, connections, sockets) => {
    const warning = `the open-file limit of ${openFiles} allows only ${connections} connections: raise it (ulimit -n, LimitNOFILE= in systemd, --ulimit nofile= in Docker)`
    expect(capacity(openFiles)).toEqual({ connections, sockets, warning })
  },
)

test('[L6] with enough files, or an unknown limit, the default applies without a warning', () => {
  for (const openFiles of [20_256, 1_048_576, Number.POSITIVE_INFINITY]) {
    expect(capacity(openFiles)).toEqual({
      connections: DEFAULT_CONNECTIONS,
      sockets: DEFAULT_CONNECTIONS + 128,
      warning: undefined,
    })
  }
  expect(capacity(20_255).warning).toContain('allows only 19999 connections')
})

test('[L6] with fewer than 96 files the server does not start, and says so in one sentence', () => {
  expect(tooFewFiles(95)).toBe(
    'the open-file limit of 95 is too low: the server needs at least 96; raise it (ulimit -n, LimitNOFILE= in systemd, --ulimit nofile= in Docker)',
  )
  for (const openFiles of [96, Number.POSITIVE_INFINITY]) expect(tooFewFiles(openFiles)).toBeUndefined()
  expect(96 - capacity(96).connections).toBeGreaterThanOrEqual(48)
})

test('[L6] MAX_CONNECTIONS is reduced to what the open-file limit allows, with a warning', () => {
  expect(capacity(1_024, { MAX_CONNECTIONS: '5000' })).toEqual({
    connections: 768,
    sockets: 896,
    warning: expect.stringMatching(
      /^MAX_CONNECTIONS is 5000, but the open-file limit of 1024 allows only 768 /,
    ),
  })
  expect(capacity(1_024, { MAX_CONNECTIONS: '768' })).toMatchObject({ connections: 768, warning: undefined })
  expect(capacity(64, { MAX_CONNECTIONS: '10' })).toEqual({
    connections: 10,
    sockets: 16,
    warning: undefined,
  })
  expect(capacity(2_000_000, { MAX_CONNECTIONS: '1000000' })).toMatchObject({
    connections: 1_000_000,
    warning: undefined,
  })
})

test('[L6] at least half of the files are for connections, and the server keeps the files that it needs', () => {
  for (let openFiles = 2; openFiles < 70_000; openFiles = Math.ceil(openFiles * 1.3)) {
    const { connections, sockets } = capacity(openFiles)
    expect(connections).toBeGreaterThanOrEqual(Math.min(DEFAULT_CONNECTIONS, Math.floor(openFiles / 2)))
    expect(sockets).toBeGreaterThanOrEqual(connections)
    expect(openFiles - sockets).toBeGreaterThanOrEqual(Math.min(48, Math.floor(openFiles / 2)))
  }
})

test('[L6] LIMITS=off removes the limits, but the warning about files remains', () => {
  const off = { ENVIRONMENT: 'development', LIMITS: 'off' }
  expect(capacityOf(readSettings(off), 256)).toEqual({
    limits: UNLIMITED,
    sockets: Number.POSITIVE_INFINITY,
    warning: expect.stringMatching(
      /^LIMITS is off, but the open-file limit of 256 allows only 128 connections/,
    ),
  })
  expect(capacityOf(readSettings(off), 65_536).warning).toBeUndefined()
})
