import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { problemsOf } from './kubernetes-schema.ts'
import { build, patched } from './kustomize.ts'

const DIR = 'deploy/kubernetes-cluster'
const kustomization = parse(readFileSync(join(DIR, 'kustomization.yaml'), 'utf8'))
const objects = build(DIR)
const one = (kind: string) => objects.find(object => object.kind === kind)
const deployment = one('Deployment')
const pod = deployment?.['spec'].template.spec
const [container] = pod.containers
const single = build('deploy/kubernetes').find(({ kind }) => kind === 'Deployment')
const labels = deployment?.['spec'].template.metadata.labels

test('the kustomization has all files of the directory, and the manifests of one node', () => {
  const files = globSync('*.yaml', { cwd: DIR }).filter(name => name !== 'kustomization.yaml')
  const patches = kustomization.patches.map(({ path }: { path: string }) => path)
  expect([...kustomization.resources, ...patches].toSorted()).toEqual(['../kubernetes', ...files].toSorted())
})

test.each(objects.map(object => [object.kind, object] as const))('%s is valid', (_, object) => {
  expect(problemsOf(object)).toEqual([])
})

test('the negative control: a patch with an unknown field, and one for an object that does not exist', () => {
  const broken = (patch: object) =>
    patched(objects, {
      apiVersion: 'apps/v1',
      kind: 'Deployment',
      metadata: { name: 'who-is-online' },
      ...patch,
    })
  const [problem] = broken({ spec: { minReadySecond: 1 } }).flatMap(problemsOf)
  expect(problem).toMatch(/minReadySecond/)
  expect(() => broken({ metadata: { name: 'other' } })).toThrow('no Deployment other to patch')
})

test('a new node is ready before an old one ends', () => {
  const { strategy, minReadySeconds } = deployment?.['spec'] ?? {}
  expect(strategy).toEqual({ type: 'RollingUpdate', rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } })
  expect(minReadySeconds).toBeGreaterThan(0)
  expect(container.readinessProbe.httpGet.path).toBe('/readyz')
  // A node that is away from Redis is not ready after a minute, but it is alive: a restart would end its connections.
  expect(container.livenessProbe.httpGet.path).toBe('/healthz')
})

test('a stop has the time that it takes', () => {
  expect(pod.terminationGracePeriodSeconds).toBe(30)
  expect(container.lifecycle.preStop.sleep.seconds + 10).toBeLessThan(30)
})

test('there is no volume that only one pod can use', () => {
  expect(one('PersistentVolumeClaim')).toBeUndefined()
  expect(pod.volumes[0]).toEqual({ name: 'data', emptyDir: { sizeLimit: '256Mi' } })
  // The negative control: with one node there is one.
  expect(single?.['spec'].template.spec.volumes[0].persistentVolumeClaim).toBeDefined()
})

test('the address of Redis comes from the secret that the guide creates', () => {
  const { valueFrom } = container.env.find(({ name }: { name: string }) => name === 'REDIS_URL')
  const { name, key } = valueFrom.secretKeyRef
  const guide = readFileSync('docs/scaling.md', 'utf8')
  expect(guide).toContain(`kubectl create secret generic ${name} --from-literal=${key}=`)
})

test('the autoscaler and the budget are for these pods', () => {
  const { scaleTargetRef, minReplicas, maxReplicas, metrics } = one('HorizontalPodAutoscaler')?.['spec'] ?? {}
  expect(scaleTargetRef).toEqual({
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    name: deployment?.['metadata'].name,
  })
  // A number of replicas in the deployment would undo what the autoscaler has done, with each apply.
  expect(deployment?.['spec']).not.toHaveProperty('replicas')
  expect(minReplicas).toBe(3)
  expect(maxReplicas).toBeGreaterThan(minReplicas)
  const names = metrics.map(
    ({ pods, resource }: Record<string, { metric?: object; name?: string }>) =>
      pods?.metric ?? resource?.name,
  )
  expect(names).toEqual([{ name: 'wio_connections' }, 'cpu'])
  expect(readFileSync('server/src/metrics.ts', 'utf8')).toContain("'wio_connections'")
  const { maxUnavailable, selector } = one('PodDisruptionBudget')?.['spec'] ?? {}
  expect([maxUnavailable, selector.matchLabels]).toEqual([1, labels])
})

test('nodes are spread over machines and zones', () => {
  const keys = pod.topologySpreadConstraints.map(
    ({ topologyKey, labelSelector }: Record<string, unknown>) => [topologyKey, labelSelector],
  )
  expect(keys).toEqual([
    ['kubernetes.io/hostname', { matchLabels: labels }],
    ['topology.kubernetes.io/zone', { matchLabels: labels }],
  ])
})
