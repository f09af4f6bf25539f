import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// The server that `npm run dev` hands API, WHEP and WebSocket requests to.
const server = process.env['FOOTLIGHT_SERVER'] ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    // The pages are served under `default-src 'self'`, which has no place for data: URLs and inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: {
    fs: { allow: ['.', '../assets'] },
    proxy: {
      '/api': { target: server, secure: false },
      '/whep': { target: server, secure: false },
      '/ws': { target: server, secure: false, ws: true },
    },
  },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
