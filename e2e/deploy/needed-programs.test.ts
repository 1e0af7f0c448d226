import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { describeWith, missing } from './needed-programs.ts'

test('what is missing is named', () => {
  expect(missing(['sh', 'no-such-program'])).toEqual(['no-such-program'])
})

test('without a program, tests are skipped with a line on the console, and in CI they fail', () => {
  onTestFinished(() => void vi.unstubAllEnvs())
  onTestFinished(() => void vi.restoreAllMocks())
  const write = vi.spyOn(process.stderr, 'write').mockReturnValue(true)
  vi.stubEnv('CI', '')
  expect(describeWith(['no-such-program'])).not.toBe(describe)
  expect(write).toHaveBeenCalledWith(expect.stringContaining('SKIPPED: no-such-program'))
  vi.stubEnv('CI', 'true')
  expect(() => describeWith(['no-such-program'])).toThrow('no-such-program missing')
  expect(describeWith(['sh'])).toBe(describe)
})
