import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const bench = (...args: string[]) => {
  const command = ['--conditions=@who-is-online/source', join(import.meta.dirname, 'src/main.ts'), ...args]
  const { status, stdout, stderr } = spawnSync(process.execPath, command, { encoding: 'utf8' })
  return { status, stdout, stderr }
}

test.each([[['--help']], [['--', '--help']]])('%j prints the options, scenarios and contenders', args => {
  const { status, stdout, stderr } = bench(...args)
  expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  for (const part of ['--only', '--fail-over', 'firehose', 'socket.io']) expect(stdout).toContain(part)
})

test.each([
  [['--nope'], "Unknown option '--nope': --help lists the options"],
  [['--only'], "Option '--only <value>' argument missing: --help lists the options"],
  [['idle', '--quick', '--rounds', 'two'], '--rounds must be a whole number of at least 1, not "two"'],
  [['idle', '--fail-over', '5'], '--fail-over needs --against DIR'],
])('a wrong command line, %j, is one sentence and exit code 64', (args, sentence) => {
  expect(bench(...args)).toEqual({ status: 64, stdout: '', stderr: `${sentence}\n` })
})
