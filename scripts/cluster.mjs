// Runs a Redis, three nodes and a balancer on this machine, to try a cluster: `pnpm cluster`.
import { setup as buildPage } from './page.mjs'

if (!process.features.typescript) {
  process.stderr.write(`pnpm cluster needs Node.js 22.18 or newer; this is ${process.version}.\n`)
  process.exit(1)
}
buildPage()
await import('./cluster/main.ts')
