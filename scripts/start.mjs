// Runs the built server.
import { existsSync } from 'node:fs'

const main = new URL('../server/dist/main.js', import.meta.url)

if (!existsSync(main)) {
  process.stderr.write('The server is not built yet: run "pnpm build" first.\n')
  process.exit(1)
}
await import(main.href)
