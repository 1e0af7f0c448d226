import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// The unit tests, in seconds: beside the code, without child processes, a browser or a build. By name are left out:
// `*.model` plays thousands of games, `*.process` starts processes.
const unit = mergeConfig(base, defineConfig({}))
unit.test = {
  ...unit.test,
  include: ['{protocol,server,client,node,dashboard}/src/**/*.test.{ts,tsx}'],
  exclude: [...(base.test?.exclude ?? []), '**/*.model.test.ts', '**/*.process.test.ts'],
  globalSetup: [],
}
export default unit
