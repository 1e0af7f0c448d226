import { defineConfig, mergeConfig } from 'vitest/config'
import unit from './vitest.unit.config.ts'

// The unit tests for mutation tests: with the models, but only a few games of each. These tests run once per mutant.
const mutation = mergeConfig(unit, defineConfig({ test: { env: { FC_RUNS: '60' }, testTimeout: 60_000 } }))
mutation.test = {
  ...mutation.test,
  exclude: unit.test?.exclude?.filter((pattern: string) => pattern !== '**/*.model.test.ts'),
}
export default mutation
