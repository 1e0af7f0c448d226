import { defineConfig } from 'vitest/config'

// Tier T1: everything that runs on every commit. Faults, benches and soaks are commands of their own.
export default defineConfig({
  ssr: { resolve: { conditions: ['@who-is-online/source'] } },
  resolve: { conditions: ['@who-is-online/source'] },
  test: {
    include: ['{protocol,server,client,node,dashboard,testing,e2e,bench,scripts}/**/*.test.{ts,tsx}'],
    exclude: [
      '**/node_modules/**',
      '**/dist/**',
      '**/*.faults.test.ts',
      '**/*.examples.test.ts',
      '**/*.deploy.test.ts',
      '**/*.nodes.test.ts',
      '**/*mutants.test.ts',
    ],
    // Two cores: two files at a time, so that tests with real sockets and clocks are not starved.
    maxWorkers: 2,
    testTimeout: 20_000,
    // What a test waits for may take long on a busy machine. The default is 1 s.
    expect: { poll: { timeout: 10_000 } },
    // The server that tests start serves the live page as it is in the sources.
    globalSetup: ['scripts/client.mjs', 'scripts/page.mjs'],
    setupFiles: ['scripts/seed.ts'],
  },
})
