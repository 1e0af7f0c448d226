import { defineConfig, mergeConfig } from 'vitest/config'
import base from './vitest.config.ts'

// The files of deploy/, with real proxies and the steps of the image. They need programs that not every machine has,
// and some of them wait for more than a minute. .ci/run installs the programs.
const deploy = mergeConfig(
  base,
  defineConfig({ test: { testTimeout: 150_000, disableConsoleIntercept: true } }),
)
deploy.test = {
  ...deploy.test,
  include: ['e2e/deploy/*.deploy.test.ts'],
  exclude: ['**/node_modules/**'],
}
export default deploy
