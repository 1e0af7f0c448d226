import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { composeProblems } from './compose-schema.ts'
import { buildImage } from './dockerfile.ts'

const DIR = 'deploy'
const compose = parse(readFileSync(join(DIR, 'compose.yaml'), 'utf8'))
const { 'who-is-online': server, caddy } = compose.services
const image = buildImage(readFileSync(join(DIR, 'Dockerfile'), 'utf8'))

test('compose.yaml is valid', () => {
  // The schema is older than the name of a project.
  const { name, ...rest } = compose
  expect(name).toMatch(/^[a-z][a-z-]*$/)
  expect(composeProblems(rest)).toEqual([])
})

test('the negative control: an unknown key and a wrong type are found', () => {
  const broken = (change: object) => composeProblems({ services: { server: { ...server, ...change } } })
  expect(broken({ read_onyl: true })).toEqual(['/services/server must NOT have additional properties'])
  expect(broken({ read_only: 'maybe' })).toEqual([expect.stringContaining('/services/server/read_only')])
})

test('the files that it names exist', () => {
  const { context, dockerfile } = server.build
  expect(existsSync(join(DIR, context, dockerfile))).toBe(true)
  const files: string[] = caddy.volumes.filter((volume: string) => volume.startsWith('./'))
  expect(files).not.toHaveLength(0)
  for (const file of files) expect(existsSync(join(DIR, file.split(':')[0] ?? ''))).toBe(true)
})

test('the server has no rights, and writes only to the volume of the image', () => {
  expect(server).toMatchObject({
    read_only: true,
    cap_drop: ['ALL'],
    security_opt: ['no-new-privileges:true'],
  })
  expect(server.volumes).toEqual([`data:${image.volumes[0]}`])
  expect(server.tmpfs).toBeUndefined()
  expect(server.ports).toBeUndefined()
})

test('a stop has the time that it takes, and there are files for all connections', () => {
  expect(Number.parseInt(server.stop_grace_period, 10)).toBeGreaterThan(10)
  expect(server.ulimits.nofile).toBeGreaterThanOrEqual(20_000 + 256)
})

test('its secret is not committed', () => {
  expect(server.environment.AUTH_SECRET_FILE).toBe(`/run/secrets/${server.secrets[0]}`)
  const { file } = compose.secrets[server.secrets[0]]
  expect(readFileSync('.gitignore', 'utf8').split('\n')).toContain(`/${join(DIR, file)}`)
})

test('Caddy forwards to the server, which trusts one proxy', () => {
  expect(caddy.environment.UPSTREAM).toBe(`who-is-online:${image.exposed[0]}`)
  expect(server.environment.TRUST_PROXY).toBe('1')
  expect(readFileSync(join(DIR, 'Caddyfile'), 'utf8')).toContain('{$UPSTREAM:')
})
