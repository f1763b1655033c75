import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    // Else a style sheet would be read as an empty one.
    css: true,
    env: { TZ: 'Asia/Seoul' },
    reporters: ['default', './test/closing-line.ts'],
  },
});
