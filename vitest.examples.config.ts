import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// Projects with lockfiles of their own, which npm installs first: hundreds of megabytes that `pnpm test` does not need.
const examples = mergeConfig(base, defineConfig({ test: { maxWorkers: 1 } }))
examples.test = {
  ...examples.test,
  include: ['{e2e,examples}/**/*.examples.test.ts'],
  exclude: ['**/node_modules/**', '**/dist/**'],
}
export default examples
