import { defaultClientConditions, defineConfig } from 'vite'

// Builds the page into the server's dist. Its addresses are relative, so that a proxy may serve it under any path.
export default defineConfig({
  root: import.meta.dirname,
  base: './',
  oxc: { jsx: { runtime: 'automatic', importSource: 'preact' } },
  resolve: { conditions: ['@who-is-online/source', ...defaultClientConditions] },
  build: {
    outDir: '../server/dist/page',
    emptyOutDir: true,
    target: 'es2022',
    // The target's browsers need no polyfill, and the page's Content Security Policy forbids inlined data.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      '/ws': { target: 'ws://localhost:3050', ws: true },
      '/live-page-token': 'http://localhost:3050',
      '/api': 'http://localhost:3050',
    },
  },
})
