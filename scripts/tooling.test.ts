import { existsSync, globSync, readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import unitTests from '../vitest.unit.config.ts'

// What no program reads here, such as the workflow of the hosted CI, must not get out of date unnoticed.

const read = (path: string) => readFileSync(path, 'utf8')
const json = (path: string) => JSON.parse(read(path))
const workspace = json('package.json')
const workflow = parse(read('.github/workflows/ci.yml'))

interface Step {
  readonly run?: string
  readonly uses?: string
}
const jobs: readonly [string, { readonly steps: readonly Step[]; readonly 'timeout-minutes'?: number }][] =
  Object.entries(workflow.jobs)
const steps = jobs.flatMap(([, job]) => job.steps)

/** Files in which people and machines read how to run the scripts of the workspace. */
const COMMAND_FILES = ['.ci/run', ...globSync(['*.md', 'docs/*.md', '.github/**/*.{md,yml}'])]

/** The scripts that a text calls, with the version of pnpm that it names, if any. */
function calls(text: string): { script: string; pnpm: string | undefined }[] {
  const pattern = /npx -y pnpm@([\d.]+) ([a-z:]+)|`pnpm (?:run )?([a-z:]+)/g
  return [...text.matchAll(pattern)].map(([, pnpm, script, bare]) => ({ script: script ?? bare ?? '', pnpm }))
}

/** Commands of pnpm itself that the documents use. */
const OF_PNPM = ['install', 'exec', 'add', 'run']

test.each(COMMAND_FILES)('%s calls scripts that exist, with the pinned pnpm', path => {
  const known = [...Object.keys(workspace.scripts), ...OF_PNPM]
  for (const { script, pnpm } of calls(read(path))) {
    expect(known).toContain(script)
    if (pnpm !== undefined) expect(`pnpm@${pnpm}`).toBe(workspace.packageManager)
  }
})

test('the negative control: a wrong script and a wrong version are seen', () => {
  expect(calls('npx -y pnpm@1.2.3 chekc and `pnpm tset`')).toEqual([
    { script: 'chekc', pnpm: '1.2.3' },
    { script: 'tset', pnpm: undefined },
  ])
})

test('the hosted CI runs what .ci/run runs, and the fault tests', () => {
  const hosted = steps.flatMap(({ run }) => calls(run ?? '').map(({ script }) => script))
  const local = calls(read('.ci/run')).map(({ script }) => script)
  expect(local).not.toHaveLength(0)
  expect(hosted).toEqual(expect.arrayContaining([...local, 'build', 'test:faults']))
})

test('the hosted CI may only read, names versions of its actions, and ends in bounded time', () => {
  expect(workflow.permissions).toEqual({ contents: 'read' })
  for (const [name, job] of jobs) {
    expect(job, name).not.toHaveProperty('permissions')
    expect(job['timeout-minutes'], name).toBeGreaterThan(0)
  }
  for (const { uses } of steps.filter(step => step.uses)) expect(uses).toMatch(/^actions\/[a-z-]+@v\d+$/)
})

test('the hosted CI covers the supported majors of Node.js, from the oldest on', () => {
  const majors = workflow.jobs.node.strategy.matrix.node.map(Number)
  expect(workspace.engines.node).toMatch(new RegExp(`^>=${majors[0]}\\.`))
  expect(majors).toContain(Number.parseInt(read('.node-version'), 10))
})

test('one version of Node.js runs the scripts everywhere', () => {
  const version = read('.node-version').trim()
  expect(parse(read('pnpm-workspace.yaml')).nodeVersion).toBe(version)
  const brought = Object.entries(workspace.optionalDependencies).filter(([name]) => name.startsWith('node-'))
  expect(brought).not.toHaveLength(0)
  for (const [, of] of brought) expect(of).toBe(version)
})

test('all packages support the same versions of Node.js', () => {
  for (const path of ['server/package.json', 'client/package.json', 'node/package.json'])
    expect(json(path).engines).toEqual(workspace.engines)
})

test('.editorconfig agrees with biome.json', () => {
  const [everywhere = ''] = read('.editorconfig').split('[*.md]')
  const values = Object.fromEntries([...everywhere.matchAll(/^(\w+) = (.+)$/gm)].map(match => match.slice(1)))
  const { formatter } = json('biome.json')
  expect(values).toMatchObject({
    indent_style: formatter.indentStyle,
    indent_size: String(formatter.indentWidth),
    max_line_length: String(formatter.lineWidth),
    end_of_line: formatter.lineEnding ?? 'lf',
  })
})

test.each(globSync(['.github/**/*.yml', '*.yml']))('%s is YAML', path => {
  expect(parse(read(path))).toBeTypeOf('object')
})

test('the git hook and the editor start programs that exist', () => {
  const hook = parse(read('lefthook.yml'))['pre-commit'].jobs
  const { configurations } = json('.vscode/launch.json')
  const programs: string[] = [
    ...hook.map(({ run }: { run: string }) => run.split(' ')[0]),
    ...configurations.map(({ program }: { program?: string }) => program ?? '.'),
  ]
  for (const program of programs)
    expect(existsSync(program.replace(/^\$\{workspaceFolder\}\//, '')), program).toBe(true)
})

test('the unit tests start no process and no browser, and the names of those left out are true', () => {
  const { include = [], exclude = [] } = unitTests.test ?? {}
  const startsSomething = (path: string) =>
    /child_process|testing\/(start-browser|shell-server|start-redis|describe-on-engines)|startServer/.test(
      read(path),
    )
  const files = globSync(include, { exclude })
  expect(files.length).toBeGreaterThan(50)
  expect(files.filter(startsSomething)).toEqual([])
  const processes = globSync('{protocol,server,client,node,dashboard}/src/**/*.process.test.ts')
  expect(processes).not.toHaveLength(0)
  expect(processes.filter(path => !startsSomething(path))).toEqual([])
})
