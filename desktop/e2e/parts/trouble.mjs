import assert from 'node:assert/strict';
import { Key, eventually, until } from '../lib/webdriver.mjs';

/** The relay goes away and comes back. */
export async function trouble(world) {
  const { test, window, people, relay, shot } = world;
  const { group } = world;
  const text = '터널이라 잠깐 끊겨요';

  await test('without a relay the words change, and a message says that it is only here', async () => {
    await relay.stop();
    await until('other words', async () => (await window.run(() => document.querySelector('[data-testid=connection]').dataset.state)) !== 'connected', 40_000);
    await window.seeText('[data-testid=connection]', '메시지는 이 기기에 보관되고', 40_000);
    await window.type('#draft', text + Key.Enter);
    world.texts.push(text);
    await window.seeText('[data-testid=copies]', '이 기기에만 있어요');
    await shot('12-offline');
  });

  await test('with the relay back it is found again and the message goes out', async () => {
    await relay.start();
    await window.seeText('[data-testid=connection]', '연결됨', 60_000);
    await people['서준'].message(group, text);
    await until('words that it is with everybody', async () => {
      const said = await window.texts('[data-testid=copies]');
      return said.at(-1) === '모두에게 있어요';
    }, 60_000);
    await eventually(() => window.count('[data-testid=copies][data-state=waiting]'), (found) => assert.equal(found, 0));
  });
}
