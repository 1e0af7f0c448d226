import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// Mutants that were written by hand: each breaks one line, and the games and models must notice it.
const mutants = mergeConfig(base, defineConfig({}))
mutants.test = {
  ...mutants.test,
  include: ['{server,client}/src/**/*mutants.test.ts'],
  exclude: ['**/node_modules/**', '**/dist/**'],
  globalSetup: [],
}
export default mutants
