// Runs the server from its sources. Node.js before 22.18 can't do that, so there it builds first.
import { spawn } from 'node:child_process'
import { setup as buildPage } from './page.mjs'

const script = new URL('../server/', import.meta.url)

buildPage()
if (process.features.typescript) {
  await import(new URL('src/main.ts', script).href)
} else {
  const { buildPackage } = await import('./build.mjs')
  await buildPackage('server', { types: false })
  const main = new URL('dist/main.js', script).pathname
  const server = spawn(process.execPath, [main, ...process.argv.slice(2)], { stdio: 'inherit' })
  // A terminal sends Ctrl-C to both processes, and the server handles it.
  process.on('SIGINT', () => {})
  for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => server.kill(signal))
  server.on('exit', code => process.exit(code ?? 1))
}
