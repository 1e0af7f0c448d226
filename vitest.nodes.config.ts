import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// Several nodes on a real Redis. They wait for beats, and for nodes that are lost: seconds for each test.
const nodes = mergeConfig(
  base,
  defineConfig({ test: { testTimeout: 150_000, disableConsoleIntercept: true } }),
)
nodes.test = {
  ...nodes.test,
  include: ['{server,e2e,bench,scripts}/**/*.nodes.test.ts'],
  exclude: ['**/node_modules/**', '**/dist/**'],
}
export default nodes
