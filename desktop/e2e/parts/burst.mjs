import assert from 'node:assert/strict';
import { eventually, transcript, until } from '../lib/webdriver.mjs';

const EACH = 100;

/** Everybody writes at once. */
export async function burst({ test, window, people, group }) {
  await test(`${3 * EACH} messages at once are shown once each, in the order that everybody has`, async () => {
    const writers = ['서준', '하루', '유나'];
    await Promise.all(
      writers.map(async (name) => {
        for (let n = 1; n <= EACH; n += 1) await people[name].ask('message.send', { group, text: `${name} ${n}` });
      }),
    );
    const wanted = (text) => /^(서준|하루|유나) \d+$/.test(text);
    const order = await until(
      'all of them elsewhere',
      async () => {
        const { messages } = await people['서준'].ask('message.list', { group, limit: 400 });
        const texts = messages.map((message) => message.text).filter(wanted).toReversed();
        return texts.length >= 3 * EACH && texts;
      },
      60_000,
    );
    const shown = async () => (await window.texts('[data-testid=message] .text')).filter(wanted);
    await until('the newest, without a press', async () => (await shown()).at(-1) === order.at(-1), 30_000);
    await eventually(() => window.count('[data-testid=to-latest]'), (found) => assert.equal(found, 0));
    const last = (await transcript(window, (texts) => texts.filter(wanted).length >= 3 * EACH)).filter(wanted);
    assert.deepEqual(last, order);
  });

  await test('few of them are drawn, and what is on the screen stays there while more is read', async () => {
    await eventually(() => window.count('[data-testid=message]'), (found) => assert.ok(found <= 60, `${found} messages are drawn`));
    await window.click('[data-testid=to-latest]');
    await window.gone('[data-testid=to-latest]');
    const moved = await window.run(async () => {
      const scroller = document.querySelector('.scroller');
      const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve, 30)));
      const middle = () =>
        [...document.querySelectorAll('[data-testid=message]')].find((row) => row.getBoundingClientRect().top > scroller.getBoundingClientRect().top + 200);
      let worst = 0;
      for (let step = 0; step < 12; step += 1) {
        scroller.scrollTop = Math.max(0, scroller.scrollTop - 700);
        // What is drawn first is measured, and what is read comes.
        for (let n = 0; n < 6; n += 1) await frame();
        const row = middle();
        const before = row.getBoundingClientRect().top;
        for (let n = 0; n < 8; n += 1) await frame();
        if (row.isConnected) worst = Math.max(worst, Math.abs(row.getBoundingClientRect().top - before));
      }
      return worst;
    });
    assert.ok(moved <= 1, `it moved by ${moved} px`);
    await window.click('[data-testid=to-latest]');
    await window.gone('[data-testid=to-latest]');
  });
}
