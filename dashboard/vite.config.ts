import { defaultClientConditions, defineConfig } from 'vite'

// The page becomes three files in the server's dist, with relative addresses, so that a proxy may put it anywhere.
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: { conditions: ['@who-is-online/source', ...defaultClientConditions] },
  build: {
    outDir: '../server/dist/page',
    emptyOutDir: true,
    target: 'es2022',
    // The polyfill is for browsers that are older than the target, and inlined data for pages without a policy.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: { proxy: { '/ws': { target: 'ws://localhost:3050', ws: true } } },
})
