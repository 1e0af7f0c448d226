// Builds a kustomization as `kubectl kustomize` does, as far as the manifests of deploy/ need it: resources, and
// strategic merge patches with lists whose entries have a name.
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import type { Manifest } from './kubernetes-schema.ts'

type Values = Record<string, unknown>

/** An object of Kubernetes, with the fields that tests access. */
// biome-ignore lint/suspicious/noExplicitAny: a test accesses the fields that it expects
export type Built = Manifest & Record<string, any>

/** All objects of a kustomization, with its patches applied. */
export function build(dir: string): Built[] {
  const read = (name: string) => parse(readFileSync(join(dir, name), 'utf8'))
  const { resources, patches = [] } = read('kustomization.yaml')
  const objects: Built[] = resources.flatMap((name: string) =>
    name.endsWith('.yaml') ? [read(name)] : build(join(dir, name)),
  )
  return patches.reduce((built: Built[], { path }: { path: string }) => patched(built, read(path)), objects)
}

/** @throws Error if the patch is for an object that does not exist, as kustomize does */
export function patched(objects: readonly Built[], { $patch, ...patch }: Built): Built[] {
  const isTarget = ({ kind, metadata }: Built) =>
    kind === patch.kind && metadata.name === patch['metadata'].name
  if (!objects.some(isTarget)) throw new Error(`no ${patch.kind} ${patch['metadata'].name} to patch`)
  if ($patch === 'delete') return objects.filter(object => !isTarget(object))
  return objects.map(object => (isTarget(object) ? (merge(object, patch) as Built) : object))
}

function merge(value: unknown, patch: unknown): unknown {
  if (isNamedList(patch)) return mergeLists(Array.isArray(value) ? value : [], patch)
  if (!isObject(patch)) return patch
  const result: Values = isObject(value) ? { ...value } : {}
  for (const [key, change] of Object.entries(patch)) {
    if (change === null) delete result[key]
    else result[key] = merge(result[key], change)
  }
  return result
}

function mergeLists(list: readonly Values[], patch: readonly Values[]): unknown[] {
  const isNew = ({ name }: Values) => !list.some(entry => entry['name'] === name)
  const changed = list.map(entry => {
    const change = patch.find(({ name }) => name === entry['name'])
    return change ? merge(entry, change) : entry
  })
  return [...patch.filter(isNew).map(entry => merge({}, entry)), ...changed]
}

function isObject(value: unknown): value is Values {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isNamedList(value: unknown): value is Values[] {
  return Array.isArray(value) && value.length > 0 && value.every(entry => isObject(entry) && 'name' in entry)
}
