// Checks that the repository's texts are easy to read: `pnpm check:words`. prose.ts has the rules.
import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { problemsIn } from './prose.ts'

/** Files that contain the words because they search for them. */
const OWN = ['scripts/prose.ts', 'scripts/words.test.ts']

const PATTERNS = ['*.md', '*.html', '*.css', '*.[jt]s', '*.mjs', '*.[jt]sx']

const paths = execFileSync('git', ['ls-files', '-co', '--exclude-standard', ...PATTERNS], {
  encoding: 'utf8',
})
  .split('\n')
  // A file may be deleted, but not committed yet.
  .filter(path => path !== '' && !OWN.includes(path) && existsSync(path))

const failures = paths.flatMap(path =>
  problemsIn(path, readFileSync(path, 'utf8')).map(({ line, text }) => `${path}:${line}: ${text}`),
)

if (failures.length > 0) {
  process.stderr.write(`${failures.join('\n')}\n${failures.length} problems\n`)
  process.exitCode = 1
}
