import assert from 'node:assert/strict';
import { until } from '../lib/webdriver.mjs';

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
    const shown = await until(
      'all of them',
      async () => {
        const texts = (await window.texts('[data-testid=message] .text')).filter(wanted);
        return texts.length >= 3 * EACH && texts;
      },
      60_000,
    );
    assert.equal(new Set(shown).size, 3 * EACH);
    assert.equal(shown.length, 3 * EACH);
    const { messages } = await people['서준'].ask('message.list', { group, limit: 400 });
    const order = messages.map((message) => message.text).filter(wanted).toReversed();
    assert.deepEqual(shown, order);
    assert.equal(await window.count('[data-testid=to-latest]'), 0);
  });
}
