// The arrow of ARCHITECTURE.md:
// protocol ◀ presence ◀ ports ◀ tracker ◀ gateway, http ◀ server ◀ main
// A rule names who may not look where; a test (scripts/boundaries.test.ts) shows that each of them bites.

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
      comment: 'The core knows words and nothing else: no node:, no packages, no other room.',
      severity: 'error',
      from: { path: '^server/src/presence/', pathNot: notTests },
      to: { pathNot: '^(server/src/presence/|protocol/src/words\\.ts$)' },
    },
    {
      name: 'tracker-and-feed-import-ports',
      severity: 'error',
      from: {
        path: '^server/src/((tracker|requests|reply|user-json)\\.ts$|changes/|cluster/)',
        pathNot: notTests,
      },
      to: {
        path: '^server/src/',
        pathNot:
          '^server/src/(presence/|changes/feed\\.ts$|cluster/log\\.ts$|storage/store\\.ts$|(tracker|reply|user-json)\\.ts$|time/clock\\.ts$)',
      },
    },
    {
      name: 'time-imports-nothing-of-ours',
      severity: 'error',
      from: { path: '^server/src/time/', pathNot: notTests },
      to: { pathNot: '^server/src/time/' },
    },
    {
      name: 'rooms-do-not-know-each-other',
      severity: 'error',
      from: { path: '^server/src/(gateway|storage|http)/', pathNot: notTests },
      to: {
        path: '^server/src/(gateway|storage|http)/',
        pathNot: ['^server/src/$1/', '^server/src/storage/store\\.ts$'],
      },
    },
    {
      name: 'fanout-does-not-know-transports',
      comment:
        'Fan-out hands bytes to connections through ports; how a transport frames them, an encoder knows.',
      severity: 'error',
      from: { path: '^server/src/fanout/', pathNot: notTests },
      to: { path: '^server/src/(gateway|storage|http)/' },
    },
    {
      name: 'rooms-do-not-know-the-house',
      severity: 'error',
      from: { path: '^server/src/(presence|gateway|storage|http)/', pathNot: notTests },
      to: { path: '^server/src/(server|main)\\.ts$' },
    },
    {
      name: 'only-main-knows-everything',
      comment: 'Adapters are named by server and main alone.',
      severity: 'error',
      from: {
        path: '^server/src/',
        pathNot: ['^server/src/(server|main)\\.ts$', '^server/src/(storage|cluster)/', notTests],
      },
      to: { path: '^server/src/(storage/(json-file|memory)|cluster/single)\\.ts$' },
    },
    {
      name: 'client-stands-alone',
      comment:
        'No validator reaches a browser: the client has a generated copy of the types and constants it needs.',
      severity: 'error',
      from: { path: '^client/src/', pathNot: notTests },
      to: { path: '^(protocol|server|dashboard|testing|e2e|bench|scripts)/' },
    },
    {
      name: 'page-knows-the-client-only',
      severity: 'error',
      from: { path: '^dashboard/src/', pathNot: notTests },
      to: { path: '^(server|protocol|testing|e2e|bench|scripts)/' },
    },
    {
      name: 'product-does-not-need-tests',
      severity: 'error',
      from: { path: '^(protocol|server|client|dashboard)/src', pathNot: notTests },
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
