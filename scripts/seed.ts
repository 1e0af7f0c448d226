import fc from 'fast-check'

// Each run of a commit uses the same random inputs, so that a red run is caused by the commit. Tier T2 uses
// new ones. `SEED=0 pnpm test` draws a new seed; any other number repeats that seed.
const SEED = Number(process.env['SEED'] ?? 20_261_124)
if (SEED !== 0) fc.configureGlobal({ seed: SEED })
