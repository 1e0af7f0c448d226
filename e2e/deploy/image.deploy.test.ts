import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { chmodSync, copyFileSync, globSync, mkdirSync, readFileSync, statSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import { freePort } from '@who-is-online/testing/free-port'
import { until } from '@who-is-online/testing/shell-server'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { buildImage, copyWorkTree, type Image } from './dockerfile.ts'
import { describeWith } from './needed-programs.ts'

// The steps of deploy/Dockerfile in an empty directory, and what they build as a container runs it: as process 1 of a
// user without rights, with a root file system that can't be written. There is no container engine.

/** How long the build may take, in ms: it downloads packages. */
const BUILD_MS = 10 * 60_000

const UID = 1000

const here = temporaryDir()
const root = join(here.path, 'root')
const bin = join(here.path, 'bin')
const PATH = [bin, process.env['PATH']].join(delimiter)

/** A container that runs. */
interface Container {
  readonly child: ChildProcess
  readonly output: () => string
  readonly ended: Promise<number | null>
}

/** The environment of the image and of `docker run --env`. */
function envOf(image: Image, env: Record<string, string>): Record<string, string> {
  const inRoot = Object.entries(image.env).map(([name, value]) => [name, value.replace(/^\//, `${root}/`)])
  return { PATH, ...Object.fromEntries(inRoot), ...env }
}

/** Runs the image like `docker run --read-only`. */
function run(image: Image, env: Record<string, string>, args: readonly string[] = []): Container {
  const volume = join(root, image.volumes[0] ?? '')
  const script = `
    mount --bind '${volume}' '${volume}'
    cut -d ' ' -f 2 /proc/self/mounts | grep -Ev '^(${volume}|/proc|/dev/pts)(/|$)' | while read -r path; do
      mount -o remount,bind,ro "$path" 2> /dev/null || true
    done
    if touch '${root}/app/written' '${here.path}/written' 2> /dev/null; then echo 'the root is writable'; exit 99; fi
    exec setpriv --reuid=${UID} --regid=${UID} --clear-groups --no-new-privs --inh-caps=-all --bounding-set=-all "$@"`
  const namespace = ['--mount', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-ec', script, 'sh']
  const child = spawn('unshare', [...namespace, ...image.entrypoint, ...args], {
    cwd: join(root, image.workdir),
    env: envOf(image, env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', data => {
      output += data
    })
  }
  const ended = new Promise<number | null>(resolve => child.once('exit', resolve))
  onTestFinished(() => void child.kill('SIGKILL'))
  return { child, output: () => output, ended }
}

/** The pid, as seen from here, of the process that is 1 in the container. */
function firstProcess({ child }: Container): number {
  return Number(readFileSync(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').trim().split(' ')[0])
}

function isHealthy(image: Image, env: Record<string, string>): boolean {
  const [program = '', ...args] = image.healthcheck
  return spawnSync(program, args, { env: envOf(image, env) }).status === 0
}

describeWith(['unshare', 'setpriv', 'mount', 'git'], { root: true })('the image', () => {
  let image: Image
  beforeAll(() => {
    mkdirSync(bin)
    copyFileSync(process.execPath, join(bin, 'node'))
    mkdirSync(root)
    chmodSync(here.path, 0o755)
    // Without what pnpm and vitest have set for their own processes.
    const env = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(npm_|pnpm_|VITEST|NODE_)/i.test(name)),
    )
    image = buildImage(readFileSync('deploy/Dockerfile', 'utf8'), {
      root,
      copyContext: to => copyWorkTree(process.cwd(), to),
      run: (command, cwd) =>
        void execFileSync('sh', ['-ec', command], { cwd, env: { ...env, PATH, CI: 'true' }, stdio: 'pipe' }),
    })
  }, BUILD_MS)
  afterAll(() => here.remove())

  test('has no tools of development', () => {
    const packages = globSync('app/node_modules/.pnpm/*', { cwd: root })
    expect(packages.some(path => path.includes('express@'))).toBe(true)
    expect(packages.filter(path => /\/(vitest|typescript|vite|@biomejs|react)[@+]/.test(path))).toEqual([])
  })

  test('serves as process 1 of a user without rights, and writes only to its volume', async () => {
    const env = { AUTH: 'open', PORT: String(await freePort()) }
    const container = run(image, env)
    await until(
      'it listens',
      () => container.output().includes('"message":"listening on') || container.child.exitCode !== null,
    )
    const pid = firstProcess(container)
    const status = readFileSync(`/proc/${pid}/status`, 'utf8')
    expect(status).toMatch(/^NSpid:\s+\d+\s+1$/m)
    expect(status).toMatch(new RegExp(`^Uid:\\s+${UID}\\s+${UID}\\s`, 'm'))
    expect(status).toMatch(/^CapEff:\s+0+$/m)
    expect(isHealthy(image, env)).toBe(true)
    const url = `ws://127.0.0.1:${env.PORT}/ws`
    const v1 = await TestClient.as({ url }, 'ann')
    const v2 = await TestClient.v2({ url }, 'bob')

    process.kill(pid, image.stopSignal)
    expect((await v1.closed).code).toBe(1012)
    expect((await v2.closed).code).toBe(4503)
    expect(await container.ended).toBe(0)
    expect(isHealthy(image, env)).toBe(false)
    const lines = container.output().trim().split('\n')
    expect(lines.filter(line => line.includes('"level":"error"'))).toEqual([])
    expect(lines.at(-1)).toContain('"stopped"')
    const state = join(root, 'data/user_state.json')
    expect(readFileSync(state, 'utf8')).toContain('"ann"')
    expect(statSync(state).uid).toBe(UID)
    expect(readFileSync(join(root, 'data/logs/who-is-online.log'), 'utf8')).toContain('"stopped"')
  })

  test('the negative control: it can write nowhere else', async () => {
    const container = run(image, { AUTH: 'open', PORT: '0', DATA_DIR: join(root, 'app/data') })
    expect(await container.ended).toBe(78)
    expect(container.output()).toMatch(/data directory .* can't be used/)
  })

  test('arguments are those of the server', async () => {
    const container = run(image, { AUTH: 'open' }, ['--print-config'])
    expect(await container.ended).toBe(0)
    expect(container.output()).toMatch(/^HOST= +# unset: all interfaces$/m)
    expect(container.output()).toMatch(/^DATA_DIR=\/.*\/data +# environment$/m)
  })
})
