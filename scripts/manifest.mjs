// The package.json of a published package, made from the one in the repository: it names built files instead of
// sources, and nothing that exists only here.

/** The condition by which the workspace resolves a package to its sources. */
export const SOURCE = '@who-is-online/source'

/** What is copied unchanged. Everything else, such as scripts and devDependencies, stays here. */
const COPIED = [
  'name',
  'version',
  'description',
  'keywords',
  'license',
  'type',
  'sideEffects',
  'engines',
  'dependencies',
  'peerDependencies',
  'peerDependenciesMeta',
]

/** What all packages have in common, from the package.json of the workspace. */
const SHARED = ['homepage', 'repository', 'bugs', 'author']

/**
 * The names of the modules that a package exports, such as `index` and `react`: to add one, add its subpath with its
 * source to `exports`.
 */
export function entriesOf({ exports = {} }) {
  return Object.values(exports)
    .map(target => target[SOURCE])
    .filter(source => source !== undefined)
    .map(source => /^\.\/src\/([\w-]+)\.tsx?$/.exec(source)[1])
}

/** The package.json to publish. Paths are relative to the output directory of the build. */
export function publishedManifest(manifest, workspace) {
  const entries = entriesOf(manifest)
  const file = path => `./${path.split('/').at(-1)}`
  const all = {
    ...pick(manifest, COPIED),
    ...pick(workspace, SHARED),
    // Everything that the build has made, and no tarball of an earlier pack.
    files: ['*', '!*.tgz'],
    main: './index.cjs',
    module: './index.js',
    types: './index.d.cts',
    exports: {
      ...Object.fromEntries(entries.map(name => [name === 'index' ? '.' : `./${name}`, targets(name)])),
      './package.json': './package.json',
    },
  }
  if (manifest.bin)
    all.bin = Object.fromEntries(Object.entries(manifest.bin).map(([name, path]) => [name, file(path)]))
  for (const name of ['unpkg', 'jsdelivr']) if (manifest[name]) all[name] = file(manifest[name])
  return all
}

/** Types first in each branch: TypeScript takes the first condition that it knows. */
function targets(name) {
  return {
    import: { types: `./${name}.d.ts`, default: `./${name}.js` },
    require: { types: `./${name}.d.cts`, default: `./${name}.cjs` },
  }
}

function pick(from, names) {
  return Object.fromEntries(names.filter(name => from[name] !== undefined).map(name => [name, from[name]]))
}
