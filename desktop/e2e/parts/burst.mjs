import assert from 'node:assert/strict';
import { eventually, until } from '../lib/webdriver.mjs';

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
    // A window that falls behind begins anew with the newest page; what is above comes by scrolling.
    let last = [];
    await until(
      'all of them',
      async () => {
        last = await shown();
        if (last.length >= 3 * EACH) return true;
        await window.run(() => {
          document.querySelector('.scroller').scrollTop = 0;
        });
        return false;
      },
      30_000,
    ).catch((error) => {
      const missing = order.filter((text) => !last.includes(text));
      throw new Error(`${error.message}; shown ${last.length}, missing ${missing.slice(0, 12).join(', ')}`);
    });
    assert.deepEqual(last, order);
    await window.run(() => {
      const scroller = document.querySelector('.scroller');
      scroller.scrollTop = scroller.scrollHeight;
    });
  });
}
