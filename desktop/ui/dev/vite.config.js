import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

const here = (path) => new URL(path, import.meta.url).pathname;

/** Looks at the screens in a browser, over made-up data. Nothing from this folder is in a build. */
export default defineConfig({
  root: here('.'),
  plugins: [svelte({ configFile: here('../svelte.config.js') })],
  server: { host: '127.0.0.1', fs: { allow: [here('..')] } },
});
