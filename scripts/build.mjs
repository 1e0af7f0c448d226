// Builds packages as npm gets them: `node scripts/build.mjs [--no-types] PACKAGE…`. The output directory of a package
// is a complete package: modules, types, package.json, README and LICENSE. Everything that is not published, such as
// the protocol, is part of the modules and types.
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { isBuiltin } from 'node:module'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { rolldown } from 'rolldown'
import { entriesOf, publishedManifest, SOURCE } from './manifest.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

/** The global variable of the script for pages without a bundler. */
const GLOBAL_NAME = 'WhoIsOnline'

/**
 * Builds a package.
 *
 * @param {string} name the folder of the package
 * @param {{ types?: boolean, outDir?: string }} options `types: false` leaves out the types. They take most of the time
 * and need a newer Node.js than the rest.
 */
export async function buildPackage(name, { types = true, outDir = join(root, name, 'dist') } = {}) {
  const folder = join(root, name)
  const manifest = json(join(folder, 'package.json'))
  const dependencies = Object.keys({ ...manifest.dependencies, ...manifest.peerDependencies })
  const modules = {
    cwd: folder,
    platform: manifest.bin ? 'node' : 'neutral',
    external: id => isBuiltin(id) || dependencies.some(name => id === name || id.startsWith(`${name}/`)),
    resolve: { conditionNames: [SOURCE, 'import', 'default'] },
    checks: { pluginTimings: false },
    onLog,
  }
  const entries = entriesOf(manifest)
  const programs = Object.values(manifest.bin ?? {}).map(path => basename(path, '.js'))
  const input = names => Object.fromEntries(names.map(name => [name, `src/${name}.ts`]))

  removeOld(outDir)
  const sourcemap = !manifest.bin
  await emit({ ...modules, input: input([...entries, ...programs]) }, outDir, { format: 'es', sourcemap })
  await emit({ ...modules, input: input(entries) }, outDir, { format: 'cjs', sourcemap })
  if (manifest.unpkg) {
    const file = join(outDir, basename(manifest.unpkg))
    await write(
      { ...modules, input: 'src/index.ts' },
      { file, format: 'iife', name: GLOBAL_NAME, minify: true },
    )
  }
  if (types) await emitTypes({ ...modules, input: input(entries) }, outDir)
  for (const file of ['README.md', 'LICENSE']) copyFileSync(join(folder, file), join(outDir, file))
  const published = publishedManifest(manifest, json(join(root, 'package.json')))
  writeFileSync(join(outDir, 'package.json'), `${JSON.stringify(published, null, 2)}\n`)
}

/** Writes modules as .js (ES modules) or .cjs. Modules that several entries use become files of their own. */
function emit(options, dir, output) {
  const extension = output.format === 'cjs' ? 'cjs' : 'js'
  const names = { entryFileNames: `[name].${extension}`, chunkFileNames: `[name]-[hash].${extension}` }
  return write(options, { dir, ...names, ...output })
}

/** Writes the types of the entries: .d.ts for ES modules, and the same as .d.cts for CommonJS. */
async function emitTypes(options, dir) {
  // Here, because only new versions of Node.js can load it.
  const { dts } = await import('rolldown-plugin-dts')
  const tsconfig = join(root, 'tsconfig.json')
  const plugins = [dts({ dtsOnly: true, generator: 'tsc', tsconfig, cwd: root, tsc: { eager: true } })]
  const names = { entryFileNames: '[name].ts', chunkFileNames: '[name]-[hash].d.ts' }
  const { output } = await write({ ...options, plugins }, { dir, ...names, format: 'es' })
  for (const { fileName, code } of output) {
    const text = code.replaceAll(/((?:from|import\()\s*["']\.\.?\/[^"']+)\.js(["'])/g, '$1.cjs$2')
    writeFileSync(join(dir, fileName.replace(/\.d\.ts$/, '.d.cts')), text)
  }
}

async function write(input, output) {
  const bundle = await rolldown(input)
  try {
    return await bundle.write(output)
  } finally {
    await bundle.close()
  }
}

/**
 * Fails the build on a warning: what could not be resolved would be missing for the user of the package. The directive
 * "use client" is preserved; a test checks that.
 */
function onLog(level, log) {
  if (level === 'warn' && log.code !== 'MODULE_LEVEL_DIRECTIVE') throw new Error(log.message)
}

/** Removes the files of an earlier build. Directories stay: the live page has a build of its own. */
function removeOld(dir) {
  mkdirSync(dir, { recursive: true })
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    if (entry.isFile()) rmSync(join(dir, entry.name))
  }
}

function json(path) {
  return JSON.parse(readFileSync(path, 'utf8'))
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const names = process.argv.slice(2).filter(argument => !argument.startsWith('--'))
  for (const name of names) await buildPackage(name, { types: !process.argv.includes('--no-types') })
}
