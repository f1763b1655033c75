import assert from 'node:assert/strict';
import { eventually } from '../lib/webdriver.mjs';

/** From nothing to an account, in Korean. */
export async function firstStart({ test, window, passphrase, relay, shot }) {
  await test('the first start speaks the language of the login and offers the other', async () => {
    await window.see('#name');
    await eventually(() => window.run(() => document.documentElement.lang), (found) => assert.equal(found, 'ko'));
    await window.seeText('h1', '어떻게 불러 드릴까요');
    await window.click('[data-testid=language-en]');
    await window.seeText('h1', 'What should we call you?');
    await window.click('[data-testid=language-ko]');
    await window.seeText('h1', '어떻게 불러 드릴까요');
    await shot('01-name');
  });

  await test('a passphrase is asked for twice, measured, and its loss explained', async () => {
    await window.type('#name', '민지');
    await window.click('[data-testid=start-next]');
    await window.type('#passphrase', '짧다');
    await window.seeText('#strength', '약해요');
    await window.fill('#passphrase', passphrase);
    await window.seeText('#strength', '좋아요');
    await window.type('#passphrase-repeat', '다른 것');
    await window.seeText('#repeat-problem', '서로 달라요');
    await eventually(() => window.run(() => document.querySelector('[data-testid=start-next]').disabled), (found) => assert.equal(found, true));
    await window.fill('#passphrase-repeat', passphrase);
    await window.seeText('.warning', '아무도 되찾아 드릴 수 없어요');
    await shot('02-protect');
    await window.click('[data-testid=start-next]');
  });

  await test('the relay of the command line is filled in, and a wrong one can be corrected', async () => {
    await window.see('#relay');
    await eventually(() => window.value('#relay'), (found) => assert.equal(found, relay.url));
    await window.fill('#relay', 'relay://nonsense');
    await window.click('[data-testid=start-next]');
    await window.seeText('[role=alert]', '릴레이 주소가 아니에요');
    await window.fill('#relay', relay.url);
    await shot('03-relay');
    await window.click('[data-testid=start-next]');
    await window.seeText('h1', '민지 님, 준비됐어요');
    await shot('04-ready');
    await window.click('[data-testid=start-open]');
  });

  await test('the empty list says what can be begun, and the connection is said in words', async () => {
    await window.see('[data-testid=empty-new]');
    await window.seeText('[data-testid=empty-own]', '나에게 쓰기');
    await window.seeText('[data-testid=connection]', '연결됨');
    await shot('05-empty');
  });
}
