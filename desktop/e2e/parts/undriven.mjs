import assert from 'node:assert/strict';
import { colours, display, end, place, plainWindow } from '../lib/programs.mjs';
import { sleep, until } from '../lib/webdriver.mjs';

/** Letters with smooth edges have many; an empty window with its frame and icon has some three hundred. */
const COLOURS_MIN = 700;

/**
 * What a person sees who just starts the program, with each way to draw a page and to write: a view that an input method makes a window
 * of its own stays empty where it is drawn without layers.
 */
const WAYS = [
  ['as the machine has it', {}],
  ['with the X server’s own input method', { GTK_IM_MODULE: 'xim' }],
  ['with that, and drawn without layers all the same', { GTK_IM_MODULE: 'xim', WEBKIT_DISABLE_COMPOSITING_MODE: '1' }],
];

/** WebDriver's pictures are no proof of that. */
export async function undriven({ test }) {
  for (const [way, env] of WAYS) await draws(test, way, env);
}

async function draws(test, way, env) {
  await test(`the window draws its first page without anybody touching it, ${way}`, async () => {
    const home = `undriven-${WAYS.findIndex(([known]) => known === way)}`;
    const pixels = place('pixels', home);
    const window = plainWindow({ home, screen: await display({ managed: true, pixels }), env });
    try {
      await until('a page on the screen', () => colours(pixels) >= COLOURS_MIN, 30_000);
      // And it stays when nothing moves any more.
      await sleep(3_000);
      assert.ok(colours(pixels) >= COLOURS_MIN, `${colours(pixels)} colours are left`);
    } finally {
      await end(window);
    }
  });
}
