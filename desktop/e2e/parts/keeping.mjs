import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { Key, eventually, until } from '../lib/webdriver.mjs';

/** How the profile is kept, and what unlocks it. */
export async function keeping(world) {
  const { test, window, shot, profile } = world;
  const slots = () => readdirSync(join(profile, 'store', 'store')).filter((name) => name.startsWith('slots.')).join();

  const speak = (language) => window.run((value) => document.querySelector(`[data-testid=language-${value}] input`).click(), language);

  await test('the settings say how the profile is kept', async () => {
    await window.press(Key.Control, ',');
    await window.seeText('[data-testid=keeping-unlock]', '암호문구');
    await window.seeText('[data-testid=keeping-master]', '오늘 새로 만들었어요');
    await window.seeText('[data-testid=keeping-files]', 'sled');
    await eventually(() => window.text('[data-testid=keeping-files]'), (found) => assert.match(found, /크기 \d+(\.\d)? [KM]B/));
    await window.run(() => document.querySelector('[data-testid=keeping]').scrollIntoView({ block: 'center' }));
    await shot('37-keeping');
    await speak('en');
    await window.seeText('[data-testid=keeping-master]', 'Made anew today');
    await window.run(() => document.querySelector('[data-testid=keeping]').scrollIntoView({ block: 'center' }));
    await shot('38-keeping-english');
    await speak('ko');
  });

  await test('the master key is replaced at once', async () => {
    const before = slots();
    await window.click('[data-testid=keeping-rotate]');
    await window.seeText('[data-testid=toast]', '주 열쇠를 새로 바꿨어요');
    await until('another slot file', () => slots() !== before && slots() !== '');
    assert.equal(slots().includes(','), false);
  });

  await test('another passphrase unlocks the profile from now on', async () => {
    await window.click('[data-testid=keeping-change]');
    await window.see('[data-testid=protect-both]');
    world.formerPassphrase = world.passphrase;
    const fresh = '겨울 창문 파란 기차';
    await window.fill('#passphrase-present', '다른 사람의 짐작');
    await window.fill('#passphrase', fresh);
    await window.fill('#passphrase-repeat', '겨울 창문 파란 배');
    await window.seeText('#repeat-problem', '서로 달라요');
    await eventually(() => window.run(() => document.querySelector('[data-testid=unlock-change]').disabled), (found) => assert.equal(found, true));
    await window.fill('#passphrase-repeat', fresh);
    await shot('39-unlock-change');
    // Whoever finds the window open cannot shut its owner out.
    await window.click('[data-testid=unlock-change]');
    await window.seeText('dialog [role=alert]', '암호문구가 맞지 않아요');
    await window.fill('#passphrase-present', world.formerPassphrase);
    await window.click('[data-testid=unlock-change]');
    await window.see('[data-testid=keeping-unlock]', 20_000);
    world.passphrase = fresh;
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });
}
