import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { expect, test } from 'vitest'
import { describeWith } from './needed-programs.ts'

const unit = readFileSync('deploy/who-is-online.service', 'utf8')
const dir = useTemporaryDir()

/** The highest exposure that `systemd-analyze security` may find, from 0 to 10. "OK" ends at 2. */
const MAX_EXPOSURE = 2

function analyze(text: string, ...args: string[]) {
  const path = join(dir.path, 'who-is-online.service')
  // Node.js may be elsewhere on this machine.
  writeFileSync(path, text.replace('/usr/bin/node', process.execPath))
  const { stdout, stderr, status } = spawnSync('systemd-analyze', [...args, path], { encoding: 'utf8' })
  return { output: `${stdout}${stderr}`, status }
}

describeWith(['systemd-analyze'])('the systemd unit', () => {
  test('is valid, and the negative control: a spelling error is found', () => {
    // Other units of the machine may have warnings.
    const problems = (text: string) =>
      analyze(text, 'verify')
        .output.split('\n')
        .filter(line => line.includes('who-is-online.service'))
    expect(problems(unit)).toEqual([])
    expect(problems(unit.replace('ProtectSystem=', 'ProtectSystm='))).toEqual([
      expect.stringContaining("Unknown key 'ProtectSystm'"),
    ])
  })

  test('leaves the server few rights, and the negative control: without its hardening it is exposed', () => {
    const exposure = (text: string) =>
      Number(
        /Overall exposure level .*: ([\d.]+)/.exec(analyze(text, 'security', '--offline=true').output)?.[1],
      )
    expect(exposure(unit)).toBeLessThanOrEqual(MAX_EXPOSURE)
    const soft = unit.replace(/^(Protect|Private|Restrict|System|Capability|NoNew|Lock)\w+=.*$/gm, '')
    expect(exposure(soft)).toBeGreaterThan(MAX_EXPOSURE)
  })
})
