import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  test: {
    include: ['test/**/*.test.ts'],
    environment: 'node',
    env: { TZ: 'Asia/Seoul' },
    reporters: ['default', './test/closing-line.ts'],
  },
});
