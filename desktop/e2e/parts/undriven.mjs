import assert from 'node:assert/strict';
import { colours, display, end, place, plainWindow } from '../lib/programs.mjs';
import { sleep, until } from '../lib/webdriver.mjs';

/** Letters with smooth edges have many; an empty window with its frame and icon has some three hundred. */
const COLOURS_MIN = 700;

/** What a person sees who just starts the program: WebDriver's pictures are no proof of that. */
export async function undriven({ test }) {
  await test('the window draws its first page without anybody touching it', async () => {
    const pixels = place('pixels');
    const window = plainWindow({ home: 'undriven', screen: await display({ managed: true, pixels }) });
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
