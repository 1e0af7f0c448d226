import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { environmentOf, npm } from '../packages/node-versions.ts'
import { root } from '../packages/pack.ts'

// Installs and runs the examples that have lockfiles of their own, as their README says.

/** Environment variables of an example by name. */
type Variables = Readonly<Record<string, string>>

const START_MS = 60_000

const folderOf = (name: string): string => join(root, 'examples', name)

/** Installs what the lockfile has, with the client as it was built before the tests. */
export async function install(name: string): Promise<void> {
  await npm(process.execPath, folderOf(name), ['ci', '--ignore-scripts'])
}

/** Runs a script of the example to its end, such as `build`. Rejects with its output if it fails. */
export async function runScript(name: string, script: string, variables: Variables = {}): Promise<void> {
  const { exited, output } = launch(name, script, variables)
  const code = await exited
  if (code !== 0) throw new Error(`${script} of ${name} ended with ${code}:\n${output()}`)
}

/** Starts a script that serves on any free port, for the time of a test. Resolves with its origin. */
export async function serve(name: string, script: string, variables: Variables = {}): Promise<string> {
  const { child, exited, output } = launch(name, script, variables)
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await exited
  })
  return new Promise((resolve, reject) => {
    const fail = (why: string) => reject(new Error(`${script} of ${name} ${why}:\n${output()}`))
    const timeout = setTimeout(() => fail('did not start in time'), START_MS)
    void exited.then(code => fail(`ended with ${code}`))
    child.stdout.on('data', () => {
      const origin = /http:\/\/(?:localhost|127\.0\.0\.1):\d+/.exec(output())?.[0]
      if (origin === undefined) return
      clearTimeout(timeout)
      resolve(origin)
    })
  })
}

/** Runs a script of package.json as npm does, but as one process, so that it can be ended. */
function launch(name: string, script: string, variables: Variables) {
  const cwd = folderOf(name)
  const [command, ...args] = script.split(' ')
  const { scripts } = JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8'))
  const lines = `${scripts[command ?? '']} ${args.join(' ')}`.split('&&')
  const last = lines.pop()
  const outer = environmentOf(process.execPath)
  const path = [join(cwd, 'node_modules/.bin'), outer['PATH']].join(delimiter)
  const env = { ...outer, NO_COLOR: '1', ...variables, PATH: path }
  const child = spawn('sh', ['-c', [...lines, `exec ${last}`].join(' && ')], { cwd, env })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', data => (output += data))
  const exited = new Promise<number | null>(resolve => child.once('close', resolve))
  return { child, exited, output: () => output }
}
