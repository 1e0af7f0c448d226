// Begins a release in CHANGELOG.md: what stands under "Unreleased" gets the version and the day. The changelog is
// written by hand, by feature, so changesets only counts the version.
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const UNRELEASED = '## Unreleased\n'

/**
 * The changelog with a release.
 *
 * @param day the day of the release, such as 2026-12-01
 * @throws Error if nothing stands under "Unreleased", or the version was released before
 */
export function withRelease(changelog: string, version: string, day: string): string {
  if (changelog.includes(`\n## ${version} `)) throw new Error(`CHANGELOG.md has ${version} already`)
  const [before, after] = changelog.split(UNRELEASED)
  if (before === undefined || !/^\s*(?!## )\S/.test(after ?? '')) {
    throw new Error('CHANGELOG.md has nothing under "## Unreleased": describe the release there first')
  }
  return `${before}${UNRELEASED}\n## ${version} (${day})\n${after}`
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { version } = JSON.parse(readFileSync('server/package.json', 'utf8'))
  const day = new Date().toISOString().slice(0, 10)
  writeFileSync('CHANGELOG.md', withRelease(readFileSync('CHANGELOG.md', 'utf8'), version, day))
}
