// Runs in every contender before its program: lets the bench collect garbage, and ends it with the bench.
process.on('SIGUSR2', () => globalThis.gc?.())
process.on('disconnect', () => process.exit())
