import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { readSettings } from '../../server/src/settings.ts'
import { buildImage } from './dockerfile.ts'
import { type Manifest, problemsOf } from './kubernetes-schema.ts'

const DIR = 'deploy/kubernetes'
const read = (name: string) => parse(readFileSync(join(DIR, name), 'utf8'))
const { resources } = read('kustomization.yaml') as { resources: string[] }
// biome-ignore lint/suspicious/noExplicitAny: a test accesses the fields that it expects
const objects: any[] = resources.map(read)
const one = (kind: string) => objects.find(object => object.kind === kind)
const { spec } = one('Deployment')
const pod = spec.template.spec
const [container] = pod.containers
const image = buildImage(readFileSync('deploy/Dockerfile', 'utf8'))

test('the kustomization has all files of the directory', () => {
  const files = globSync('*.yaml', { cwd: DIR }).filter(name => name !== 'kustomization.yaml')
  expect(resources.toSorted()).toEqual(files.toSorted())
})

test.each(resources)('%s is valid', name => {
  expect(problemsOf(read(name))).toEqual([])
})

test('the negative control: an unknown field, a wrong type, a missing field and an unknown kind are found', () => {
  const broken = (change: (deployment: (typeof objects)[number]) => void): string[] => {
    const copy = structuredClone(one('Deployment'))
    change(copy)
    return problemsOf(copy as Manifest)
  }
  expect(
    broken(({ spec: { template } }) => Object.assign(template.spec.containers[0], { readinesProbe: {} }))[0],
  ).toMatch(/readinesProbe/)
  expect(broken(deployment => Object.assign(deployment.spec, { replicas: 'one' })).join()).toMatch(/replicas/)
  expect(broken(deployment => delete deployment.spec.selector).join()).toMatch(/selector/)
  expect(problemsOf({ apiVersion: 'v1', kind: 'Deploymint' })).toEqual(['v1 has no Deploymint'])
})

test('one process uses the data: one replica, and the old one ends before the new one starts', () => {
  expect(spec.replicas).toBe(1)
  expect(spec.strategy).toEqual({ type: 'Recreate' })
  expect(one('PersistentVolumeClaim').spec.accessModes).toEqual(['ReadWriteOncePod'])
})

test('the objects fit together', () => {
  const labels = spec.template.metadata.labels
  expect(spec.selector.matchLabels).toEqual(labels)
  expect(one('Service').spec.selector).toEqual(labels)
  const [port] = one('Service').spec.ports
  expect(container.ports[0]).toEqual({ name: port.targetPort, containerPort: Number(image.exposed[0]) })
  const [path] = one('Ingress').spec.rules[0].http.paths
  expect(path.backend.service).toEqual({ name: one('Service').metadata.name, port: { name: port.name } })
  const claim = pod.volumes.find((volume: { name: string }) => volume.name === 'data').persistentVolumeClaim
  expect(claim.claimName).toBe(one('PersistentVolumeClaim').metadata.name)
  for (const probe of ['startupProbe', 'livenessProbe', 'readinessProbe'])
    expect(container[probe].httpGet.port).toBe('http')
})

test('the pod has no rights, and writes only to the volume of the image', () => {
  expect(container.securityContext).toEqual({
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ['ALL'] },
  })
  const { runAsNonRoot, runAsUser, runAsGroup } = pod.securityContext
  expect([runAsNonRoot, `${runAsUser}:${runAsGroup}`]).toEqual([true, image.user])
  const writable = container.volumeMounts.filter((mount: { readOnly?: boolean }) => !mount.readOnly)
  expect(writable).toEqual([{ name: 'data', mountPath: image.volumes[0] }])
})

test('a stop has the time that it takes', () => {
  const { sleep } = container.lifecycle.preStop
  expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(sleep.seconds + 10)
})

test('the server accepts the settings', () => {
  const env = Object.fromEntries(
    container.env.map(({ name, value }: Record<string, string>) => [name, value]),
  )
  const { mountPath } = container.volumeMounts.find((mount: { name: string }) => mount.name === 'auth-secret')
  expect(env.AUTH_SECRET_FILE).toBe(`${mountPath}/auth-secret`)
  expect(readFileSync('docs/deploy.md', 'utf8')).toContain('--from-file=auth-secret=')
  expect(readSettings({ ...env, AUTH_SECRET: 's'.repeat(32) })).toMatchObject({ ENVIRONMENT: 'production' })
})
