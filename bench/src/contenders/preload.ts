// Loaded in every contender before its program: lets the bench trigger garbage collections, and ends the
// contender with the bench.
process.on('SIGUSR2', () => globalThis.gc?.())
process.on('disconnect', () => process.exit())
