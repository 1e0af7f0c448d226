// Checks that the repository's texts are easy to read: `pnpm check:words`. prose.ts has the rules. Files that
// still have to be rewritten stand in words-allowed.txt. That list may only become shorter: it may not have
// more entries than in the last two commits, and a clean file must leave it (`pnpm check:words --prune`).
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { problemsIn } from './prose.ts'

const LIST = 'scripts/words-allowed.txt'

/** Files that contain the words because they search for them. */
const OWN = ['scripts/prose.ts', 'scripts/words.test.ts']

const git = (...args: string[]): string =>
  execFileSync('git', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })

function entries(text: string): string[] {
  return text.split('\n').filter(line => line !== '' && !line.startsWith('#'))
}

/** How many files the list had in a commit; Infinity if the commit or the list did not exist. */
function entriesAt(commit: string): number {
  try {
    return entries(git('show', `${commit}:${LIST}`)).length
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

const listed = readFileSync(LIST, 'utf8')
const allowed = new Set(entries(listed))
const paths = git(
  'ls-files',
  '-co',
  '--exclude-standard',
  '*.md',
  '*.html',
  '*.css',
  '*.[jt]s',
  '*.mjs',
  '*.[jt]sx',
)
  .split('\n')
  .filter(path => path !== '' && !OWN.includes(path))

const failures: string[] = []
const faulty = new Set<string>()
for (const path of paths) {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    continue // deleted, but not committed yet
  }
  const problems = problemsIn(path, text)
  if (problems.length > 0) faulty.add(path)
  if (!allowed.has(path))
    failures.push(...problems.map(problem => `${path}:${problem.line}: ${problem.text}`))
}

if (process.argv.includes('--prune')) {
  const kept = listed.split('\n').filter(line => line === '' || line.startsWith('#') || faulty.has(line))
  writeFileSync(LIST, kept.join('\n'))
} else {
  const clean = [...allowed].filter(path => !faulty.has(path))
  failures.push(...clean.map(path => `${LIST}: ${path} is clean or gone: run "pnpm check:words --prune"`))
  if (allowed.size > Math.min(entriesAt('HEAD'), entriesAt('HEAD~1'))) {
    failures.push(`${LIST}: the list has grown: rewrite the new text instead`)
  }
}

if (failures.length > 0) {
  process.stderr.write(`${failures.join('\n')}\n${failures.length} problems\n`)
  process.exitCode = 1
}
