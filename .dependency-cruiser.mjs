// The order of imports in ARCHITECTURE.md, "The arrow":
// protocol ◀ presence ◀ ports ◀ tracker ◀ gateway, http ◀ core ◀ server, embedding ◀ main
// Each rule forbids some imports. scripts/boundaries.test.ts shows that each rule fails on a violation.

const notTests = '\\.(test|suite|fake|model)\\.tsx?$|/testing/'

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'protocol-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^protocol/src' },
      to: { path: '^(server|testing|e2e|bench|scripts)/' },
    },
    {
      name: 'presence-is-pure',
      comment: 'The core imports only protocol/src/words: no node:, no packages, no other folder.',
      severity: 'error',
      from: { path: '^server/src/presence/', pathNot: notTests },
      to: { pathNot: '^(server/src/presence/|protocol/src/words\\.ts$)' },
    },
    {
      name: 'tracker-imports-ports',
      severity: 'error',
      from: { path: '^server/src/(tracker|erasures|requests|reply|user-json)\\.ts$', pathNot: notTests },
      to: {
        path: '^server/src/',
        pathNot:
          '^server/src/(presence/|changes/feed\\.ts$|cluster/log\\.ts$|storage/store\\.ts$|(tracker|erasures|reply|user-json)\\.ts$|time/clock\\.ts$)',
      },
    },
    {
      name: 'changes-import-presence',
      comment: 'The log of changes does not know who reads it. Its store is a port.',
      severity: 'error',
      from: { path: '^server/src/changes/', pathNot: notTests },
      to: { path: '^server/src/', pathNot: '^server/src/(presence/|changes/|user-json\\.ts$)' },
    },
    {
      name: 'cluster-imports-presence',
      comment: 'What nodes tell each other is about presence, and about nothing else.',
      severity: 'error',
      from: { path: '^server/src/cluster/', pathNot: notTests },
      to: { path: '^(server|testing|e2e|bench|scripts)/', pathNot: '^server/src/(cluster|presence)/' },
    },
    {
      name: 'time-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^server/src/time/', pathNot: notTests },
      to: { pathNot: '^server/src/time/' },
    },
    {
      name: 'adapters-do-not-import-each-other',
      severity: 'error',
      from: { path: '^server/src/(gateway|storage|http|identity)/', pathNot: notTests },
      to: {
        path: '^server/src/(gateway|storage|http|identity)/',
        pathNot: [
          '^server/src/$1/',
          '^server/src/storage/store\\.ts$',
          '^server/src/identity/(identity|grant|permits)\\.ts$',
        ],
      },
    },
    {
      name: 'fanout-does-not-import-transports',
      comment: 'Fan-out writes bytes to connections through ports. An encoder frames them for the transport.',
      severity: 'error',
      from: { path: '^server/src/fanout/', pathNot: notTests },
      to: { path: '^server/src/(gateway|storage|http)/' },
    },
    {
      name: 'folders-do-not-import-the-top',
      severity: 'error',
      from: { path: '^server/src/(presence|gateway|storage|http|identity|webhooks)/', pathNot: notTests },
      to: { path: '^server/src/((core|server|main|index)\\.ts$|embedding/)' },
    },
    {
      name: 'only-the-top-imports-adapters',
      comment: 'Only core, server, main and embedding choose the adapters.',
      severity: 'error',
      from: {
        path: '^server/src/',
        pathNot: [
          '^server/src/((core|server|main)\\.ts$|embedding/)',
          '^server/src/(storage|cluster)/',
          notTests,
        ],
      },
      to: { path: '^server/src/(storage/(json-file|memory)|cluster/(single|node))\\.ts$' },
    },
    {
      name: 'client-imports-nothing-of-ours',
      comment:
        'The client must not bring a validator to the browser. It has a generated copy of the types and constants.',
      severity: 'error',
      from: { path: '^client/src/', pathNot: notTests },
      to: { path: '^(protocol|server|dashboard|testing|e2e|bench|scripts)/' },
    },
    {
      name: 'node-imports-nothing-of-ours',
      comment: 'The package for backends has a generated copy of the calls and their types.',
      severity: 'error',
      from: { path: '^node/src/', pathNot: notTests },
      to: { path: '^(protocol|server|client|dashboard|testing|e2e|bench|scripts)/' },
    },
    {
      name: 'dashboard-imports-only-the-client',
      severity: 'error',
      from: { path: '^dashboard/src/', pathNot: notTests },
      to: { path: '^(server|protocol|testing|e2e|bench|scripts)/' },
    },
    {
      name: 'product-does-not-import-tests',
      severity: 'error',
      from: { path: '^(protocol|server|client|node|dashboard)/src', pathNot: notTests },
      to: { path: ['^(testing|e2e|bench|scripts)/', notTests] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '/dist/' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['@who-is-online/source', 'import', 'node', 'default'],
      extensions: ['.ts', '.mjs', '.js'],
    },
    moduleSystems: ['es6'],
  },
}
