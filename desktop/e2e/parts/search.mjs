import assert from 'node:assert/strict';
import { Key, eventually, until } from '../lib/webdriver.mjs';

const hits = '[data-testid=hit]';
const answered = '[data-testid=search-count][data-answered=true]';

/** Looks for `text`, and answers what each result says once everything was looked at. */
async function find(window, text) {
  await window.fill('#search', text);
  await window.see(answered);
  return window.texts(hits);
}

/** The message that has the focus. */
const focused = (window) => window.run(() => document.activeElement.closest('[data-testid=message]')?.querySelector('.text').textContent ?? '');

/** Finding what was said, with the keyboard alone. */
export async function search(world) {
  const { test, window, shot } = world;
  const line = '좋아요! 김밥은 제가 싸 갈게요';

  await test('Ctrl+F finds words in every conversation and marks them', async () => {
    await window.press(Key.Control, 'f');
    await eventually(() => window.run(() => document.activeElement.id), (found) => assert.equal(found, 'search'));
    const found = await find(window, '김밥은');
    assert.ok(found.length >= 1 && found.every((text) => text.includes('김밥은')), found.join(' | '));
    await window.seeText(`${hits} mark`, '김밥은');
    await window.seeText(hits, '북한산 산행');
    await window.seeText('[data-testid=search-count]', `${found.length}개를 찾았어요`);
    await shot('30-search');
  });

  await test('initial consonants find syllables, and words stand in any order', async () => {
    assert.ok((await find(window, 'ㄱㅂㅇ')).some((text) => text.includes(line)));
    assert.ok((await find(window, '제가 김밥')).some((text) => text.includes(line)));
    assert.deepEqual(await find(window, '"제가 김밥"'), []);
    await window.seeText('h2', '찾은 메시지가 없어요');
    await shot('31-search-none');
    // A quotation mark that is still alone is no fault to complain about.
    const toasts = () => window.run(() => [...document.querySelectorAll('[data-testid=toast]')].map((toast) => toast.textContent));
    const before = await toasts();
    await window.fill('#search', '"');
    await window.see(answered);
    assert.deepEqual((await toasts()).filter((text) => !before.includes(text)), []);
  });

  await test('a result opens the conversation at its line', async () => {
    await find(window, '김밥은 제가');
    await window.press(Key.Enter);
    await until('the focus on the first result', () => window.run(() => document.activeElement.dataset.testid === 'hit'));
    await window.press(Key.Enter);
    await until('the line', async () => (await focused(window)) === line);
    await shot('32-search-opened');
  });

  await test('Escape goes back to the field, and from there to the conversations', async () => {
    await window.run((selector) => document.querySelector(selector).focus(), hits);
    await window.press(Key.Escape);
    await until('the field', () => window.run(() => document.activeElement.id === 'search'));
    await window.press(Key.Escape);
    await window.gone(hits);
    await eventually(() => window.value('#search'), (found) => assert.equal(found, ''));
    await window.see('[data-testid=conversation]');
  });
}

/** Goes to a message so far above that what is between is not kept, and back. */
export async function reach(world) {
  const { test, window, people, group } = world;
  const line = '이번 토요일 북한산 어때요? 아침 8시에 우이역에서 만나요.';
  const EACH = 150;

  await test('a line hundreds of messages above is reached, and the newest again with one press', async () => {
    for (let n = 1; n <= EACH; n += 1) await people['서준'].ask('message.send', { group, text: `더 ${n}` });
    await until('the last of them', async () => (await window.texts('[data-testid=message] .text')).at(-1) === `더 ${EACH}`, 60_000);
    // A conversation that is opened anew begins with its last page.
    await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('책 읽는')).click());
    await window.seeText('[data-testid=conversation-title]', '책 읽는 저녁');
    await find(window, '우이역에서');
    await window.press(Key.Down);
    await window.press(Key.Enter);
    await until('the line', async () => (await focused(window)) === line, 30_000);
    assert.equal((await window.texts('[data-testid=message] .text')).includes(`더 ${EACH}`), false);
    // What comes meanwhile does not move the place.
    await people['서준'].ask('message.send', { group, text: '아직 거기 있어요?' });
    await until('word of it in the list', async () => {
      const groups = await window.run(() => globalThis.__TAURI_INTERNALS__.invoke('group_list'));
      return groups.some((known) => known.last?.text === '아직 거기 있어요?');
    });
    await eventually(() => focused(window), (found) => assert.equal(found, line));
    assert.equal((await window.texts('[data-testid=message] .text')).includes('아직 거기 있어요?'), false);
    await window.click('[data-testid=to-latest]');
    await until('the newest', async () => (await window.texts('[data-testid=message] .text')).at(-1) === '아직 거기 있어요?');
    await window.gone('[data-testid=to-latest]');
    await window.fill('#search', '');
    await window.see('[data-testid=conversation]');
  });
}
