import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { composeProblems } from './compose-schema.ts'
import { buildImage } from './dockerfile.ts'

const DIR = 'deploy'
const read = (name: string): string => readFileSync(join(DIR, name), 'utf8')
const compose = parse(read('compose.cluster.yaml'), { merge: true })
const single = parse(read('compose.yaml')).services['who-is-online']
const { valkey, caddy, ...nodes } = compose.services
const names = Object.keys(nodes)
const image = buildImage(read('Dockerfile'))

test('compose.cluster.yaml is valid, and its project is not that of compose.yaml', () => {
  // The schema is older than the name of a project. Extensions are for this file only.
  const { name, 'x-node': _, ...rest } = compose
  expect(name).not.toBe(parse(read('compose.yaml')).name)
  expect(composeProblems(rest)).toEqual([])
})

test('the negative control: an unknown key of a node is found', () => {
  const services = { node1: { ...nodes['node1'], stop_grace_perod: '15s' } }
  expect(composeProblems({ services })).toEqual(['/services/node1 must NOT have additional properties'])
})

test('three nodes differ only in their names, and share one Valkey', () => {
  expect(names).toEqual(['node1', 'node2', 'node3'])
  for (const name of names) {
    const { environment, ...rest } = nodes[name]
    expect(environment.NODE_NAME).toBe(name)
    expect(environment.REDIS_URL).toBe('redis://valkey:6379')
    expect({ ...rest, environment: { ...environment, NODE_NAME: 'node1' } }).toEqual(nodes['node1'])
    expect(rest.depends_on).toEqual({ valkey: { condition: 'service_healthy' } })
  }
})

test('a node has the rights, the limits and the settings of a single server, and no files of users', () => {
  const { environment, depends_on: _, tmpfs, ...rest } = nodes['node1']
  const { environment: settings, volumes: __, ...others } = single
  expect(rest).toEqual(others)
  const { REDIS_URL: _url, NODE_NAME: _name, ...common } = environment
  expect(common).toEqual(settings)
  const [uid, gid] = image.user.split(':')
  expect(tmpfs).toEqual([expect.stringContaining(`${image.volumes[0]}:uid=${uid},gid=${gid},`)])
})

test('Valkey keeps what it has acknowledged, drops nothing, and can be reached by the nodes only', () => {
  const command = valkey.command.join(' ')
  expect(valkey.image).toMatch(/^valkey\/valkey:8/)
  expect(command).toContain('--appendonly yes')
  expect(command).toContain('--maxmemory-policy noeviction')
  expect(valkey.volumes).toEqual(['valkey:/data'])
  expect(valkey.healthcheck.test).toEqual(['CMD', 'valkey-cli', 'ping'])
  expect(valkey).not.toHaveProperty('ports')
})

test('Caddy forwards to all nodes, which trust one proxy', () => {
  expect(caddy.environment.UPSTREAM).toBe(names.map(name => `${name}:${image.exposed[0]}`).join(' '))
  expect(nodes['node1'].environment.TRUST_PROXY).toBe('1')
  expect(Object.keys(caddy.depends_on)).toEqual(names)
  const files: string[] = caddy.volumes.filter((volume: string) => volume.startsWith('./'))
  expect(files).toEqual(['./Caddyfile.cluster:/etc/caddy/Caddyfile:ro'])
  for (const file of files) expect(existsSync(join(DIR, file.split(':')[0] ?? ''))).toBe(true)
})

test('the Caddyfile of the nodes is the one of a single server, with checks of the nodes', () => {
  const withoutHead = (text: string) => text.slice(text.indexOf('\n{\n'))
  const checks = / \{\n\t{3}lb_policy round_robin\n.*?\n\t\t\}/s
  const cluster = read('Caddyfile.cluster')
  expect(cluster).toMatch(/health_uri \/readyz\n/)
  expect(withoutHead(cluster.replace(checks, ''))).toBe(withoutHead(read('Caddyfile')))
})
