import { describe } from 'vitest'
import { type Engine, findEngines } from './start-redis.ts'

/** Describes tests that need a Redis, once for each engine of this machine. Without one they are skipped. */
export function describeOnEngines(name: string, tests: (engine: Engine) => void): void {
  const engines = findEngines()
  for (const engine of engines) describe(`${name} on ${engine.name}`, () => tests(engine))
  // The tests are registered, so that the skipped ones are counted.
  if (engines.length === 0) describe.skip(name, () => tests({ name: 'redis', path: 'redis-server' }))
}
