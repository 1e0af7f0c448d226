import fc from 'fast-check'

// A commit is judged by the same games each time it is judged, so that a red run is the commit's doing; tier T2
// plays new games. `SEED=0 pnpm test` draws a new seed, another number plays that one again.
const SEED = Number(process.env['SEED'] ?? 20_261_124)
if (SEED !== 0) fc.configureGlobal({ seed: SEED })
