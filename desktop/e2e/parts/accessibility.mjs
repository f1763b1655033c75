import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { Key } from '../lib/webdriver.mjs';

const source = new URL('../../ui/node_modules/axe-core/axe.min.js', import.meta.url);

/** What axe-core finds to be wrong, of the serious kinds, in the page as it stands. */
export async function faults(window) {
  await window.runSource(readFileSync(source, 'utf8'));
  return window.run(async () => {
    // What fades in is judged by what it will look like.
    const ending = document.getAnimations().filter((one) => Number.isFinite(one.effect?.getComputedTiming().endTime));
    await Promise.all(ending.map((one) => one.finished.catch(() => undefined)));
    const { violations } = await globalThis.axe.run(document, { resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
  });
}

/** axe-core on the screens, in both themes. */
export async function accessibility(world) {
  const { test, window, skip } = world;
  if (!existsSync(source)) return skip('axe-core', 'it is not installed in desktop/ui');
  const look = async (name, theme) => {
    await test(`axe-core finds nothing serious: ${name}, ${theme}`, async () => assert.deepEqual(await faults(window), []));
  };
  for (const theme of ['light', 'dark']) {
    await window.press(Key.Control, ',');
    await window.click(`[data-testid=theme-${theme}]`);
    await look('settings', theme);
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await window.click('[data-testid=members]');
    await window.see('[data-testid=member]');
    await look('conversation and members', theme);
    await window.click('[data-testid=members]');
    await window.press(Key.Control, 'k');
    await window.see('[data-testid=pick]');
    await look('going to a conversation', theme);
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await window.click('[data-testid=emoji-button]');
    await window.see('[data-testid=emoji-choice]');
    await look('emoji', theme);
    await window.click('[data-testid=emoji-button]');
    await window.gone('[data-testid=emoji-picker]');
  }
  await window.press(Key.Control, ',');
  await window.click('[data-testid=theme-light]');
  await window.press(Key.Escape);
  await window.gone('dialog[open]');
}
