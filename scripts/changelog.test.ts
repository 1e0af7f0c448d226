import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withRelease } from './changelog.ts'

const changelog =
  '# Changelog\n\n## Unreleased\n\n### Client\n\n- New.\n\n## 0.1.0 (2026-11-01)\n\n- First.\n'

test('a release gets what is unreleased, and leaves the rest', () => {
  expect(withRelease(changelog, '0.2.0', '2026-12-01')).toBe(
    '# Changelog\n\n## Unreleased\n\n## 0.2.0 (2026-12-01)\n\n### Client\n\n- New.\n\n## 0.1.0 (2026-11-01)\n\n- First.\n',
  )
})

test('a release needs a description, and is made once', () => {
  const released = withRelease(changelog, '0.2.0', '2026-12-01')
  expect(() => withRelease(released, '0.3.0', '2026-12-02')).toThrow('nothing under "## Unreleased"')
  expect(() => withRelease(changelog, '0.1.0', '2026-12-02')).toThrow('has 0.1.0 already')
})

test('the changelog of this repository can be released', () => {
  expect(withRelease(readFileSync('CHANGELOG.md', 'utf8'), '99.0.0', '2026-12-01')).toContain('## 99.0.0 (')
})

test('changesets release all packages together, with one version', () => {
  const { fixed } = JSON.parse(readFileSync('.changeset/config.json', 'utf8'))
  const versions = ['server', 'client', 'node'].map(name =>
    JSON.parse(readFileSync(`${name}/package.json`, 'utf8')),
  )
  expect(fixed).toEqual([versions.map(({ name }) => name)])
  expect(new Set(versions.map(({ version }) => version)).size).toBe(1)
})
