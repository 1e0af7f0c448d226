import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// Tier T2: what kills, floods, truncates and waits. Minutes, not seconds; by hand or nightly.
const faults = mergeConfig(
  base,
  defineConfig({ test: { maxWorkers: 1, testTimeout: 15 * 60_000, disableConsoleIntercept: true } }),
)
faults.test = {
  ...faults.test,
  include: ['{protocol,server,testing,e2e,bench}/**/*.faults.test.ts'],
  exclude: ['**/node_modules/**', '**/dist/**'],
  setupFiles: [],
}
export default faults
