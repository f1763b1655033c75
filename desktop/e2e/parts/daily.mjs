import assert from 'node:assert/strict';
import { Key, eventually, until } from '../lib/webdriver.mjs';

const bubble = '[data-testid=message] .text';

/** What people do all day: drafts, pins, the archive, mentions, forwarding, disappearing messages. */
export async function daily(world) {
  const { test, window, people, shot, group } = world;
  const { 서준: seojun, 하루: haru, 유나: yuna } = people;

  const open = async (name) => {
    await window.run((wanted) => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes(wanted)).click(), name);
    await window.seeText('[data-testid=conversation-title]', name);
    await window.see('[data-testid=messages][data-settled=true]');
  };
  const rows = () => window.texts('[data-testid=conversation] strong');
  const rowMenu = async (name, item) => {
    await window.run(
      (wanted) =>
        [...document.querySelectorAll('[data-testid=conversation]')]
          .find((row) => row.textContent.includes(wanted))
          .dispatchEvent(new MouseEvent('contextmenu', { bubbles: true, cancelable: true, clientX: 80, clientY: 200 })),
      name,
    );
    await window.click(`[data-testid=menu-${item}]`);
    await window.gone('[role=menu]');
  };
  /** The message that says `text`, marked for the purpose. */
  const find = async (text) => {
    await until(`the message "${text}"`, () =>
      window.run((wanted) => {
        const found = [...document.querySelectorAll('[data-testid=message]')].find((row) => row.querySelector('.text').textContent === wanted);
        document.querySelector('[data-found]')?.removeAttribute('data-found');
        found?.setAttribute('data-found', '');
        return found !== undefined;
      }, text),
    );
  };
  const act = async (text, item) => {
    await find(text);
    await window.run(() => document.querySelector('[data-found] [data-testid=tool-menu]').click());
    await window.click(`[data-testid=menu-${item}]`);
  };
  const say = async (text) => {
    await window.type('#draft', text + Key.Enter);
    await until('an empty composer', async () => (await window.value('#draft')) === '');
  };

  await test('what was begun is kept in the profile, not in the page', async () => {
    await open('북한산 산행');
    await window.type('#draft', '아직 안 보낸 말');
    await open('책 읽는 저녁');
    await window.seeText('[data-testid=conversation]', '쓰는 중: 아직 안 보낸 말');
    await eventually(
      () => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('group_list')),
      (groups) => assert.equal(groups.find((known) => known.name === '북한산 산행').draft, '아직 안 보낸 말'),
    );
    await open('북한산 산행');
    await eventually(() => window.value('#draft'), (found) => assert.equal(found, '아직 안 보낸 말'));
    await window.fill('#draft', '');
    await eventually(
      () => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('group_list')),
      (groups) => assert.equal(groups.find((known) => known.name === '북한산 산행').draft, ''),
    );
  });

  await test('a pinned conversation stands first, whatever comes in', async () => {
    await rowMenu('책 읽는 저녁', 'pin');
    await eventually(rows, (found) => assert.equal(found[0], '책 읽는 저녁'));
    await seojun.ask('message.send', { group, text: '고정 뒤에 온 말' });
    await window.seeText(bubble, '고정 뒤에 온 말');
    await eventually(rows, (found) => assert.equal(found[0], '책 읽는 저녁'));
    await shot('40-pinned');
    await rowMenu('책 읽는 저녁', 'pin');
    await eventually(rows, (found) => assert.equal(found[0], '북한산 산행'));
  });

  await test('what is put away comes back with the next message', async () => {
    await rowMenu('책 읽는 저녁', 'archive');
    await eventually(rows, (found) => assert.equal(found.includes('책 읽는 저녁'), false));
    await window.click('[data-testid=archive-open]');
    await eventually(rows, (found) => assert.deepEqual(found, ['책 읽는 저녁']));
    await window.click('[data-testid=archive-back]');
    const { groups } = await haru.ask('group.list');
    const books = groups.find((known) => known.name === '책 읽는 저녁').group;
    await haru.ask('message.send', { group: books, text: '다음 책은 뭘로 할까요?' });
    await eventually(rows, (found) => assert.equal(found.includes('책 읽는 저녁'), true));
    await window.gone('[data-testid=archive-open]');
  });

  await test('Ctrl+K goes to a conversation by its initial consonants, Alt+Down to the next', async () => {
    await window.press(Key.Control, 'k');
    await window.fill('[data-testid=pick-find]', 'ㅊㅇㄴ');
    await eventually(() => window.texts('[data-testid=pick] span:not(.avatar)'), (found) => assert.deepEqual(found, ['책 읽는 저녁']));
    await shot('41-switch');
    await window.press(Key.Enter);
    await window.seeText('[data-testid=conversation-title]', '책 읽는 저녁');
    await window.gone('dialog[open]');
    const next = (await rows())[(await rows()).indexOf('책 읽는 저녁') + 1];
    await window.press(Key.Alt, Key.Down);
    await window.seeText('[data-testid=conversation-title]', next);
    await open('북한산 산행');
  });

  await test('somebody is mentioned by a few letters, and the others get a mention', async () => {
    await window.click('#draft');
    await window.type('#draft', '@ㅎㄹ');
    await window.seeText('[data-testid=mention]', '하루');
    await shot('42-mention');
    await window.press(Key.Enter);
    await eventually(() => window.value('#draft'), (found) => assert.equal(found, '@하루 '));
    await window.type('#draft', '님도 오세요');
    await window.press(Key.Enter);
    await window.seeText('[data-testid=message] .mention', '@하루');
    const told = await until('the mention at the other side', async () => {
      const { messages } = await haru.ask('message.list', { group, limit: 5 });
      return messages.find((message) => message.text.includes('sori:a/'))?.text;
    });
    const { account } = await haru.ask('account.info');
    assert.equal(told, `[@하루](sori:a/${account}) 님도 오세요`);
    await window.seeText('[data-testid=conversation]', '@하루 님도 오세요');
  });

  await test('marks are drawn, and a link shows where it leads before it opens', async () => {
    await yuna.ask('message.send', { group, text: '**꼭** 봐요: [여기](https://xn--pple-43d.com/login) `code` ~~아님~~ *기울여*' });
    await window.seeText('[data-testid=message] strong', '꼭');
    await window.seeText('[data-testid=message] code', 'code');
    await window.seeText('[data-testid=message] em', '기울여');
    await window.click('[data-testid=message] [data-testid=link]');
    await window.seeText('[data-testid=link-host]', 'xn--pple-43d.com');
    await window.seeText('dialog .warning', '흉내 낸 것일 수 있어요');
    await window.seeText('dialog .warning', '메시지에 쓰인 것은 ‘여기’');
    await shot('43-link');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('an emoji is found by its Korean name and put where the caret is', async () => {
    await window.click('[data-testid=emoji-button]');
    await window.fill('[data-testid=emoji-find]', '고양이');
    await window.see('[data-testid=emoji-choice]');
    await shot('44-emoji');
    await window.press(Key.Enter);
    await eventually(() => window.value('#draft'), (found) => assert.match(found, /\p{RGI_Emoji}$/v));
    await window.gone('[data-testid=emoji-picker]');
    await window.fill('#draft', '');
  });

  await test('messages sent faster than they go out keep their order, and ↑ takes the last of them', async () => {
    const quick = ['하나', '둘', '셋'];
    await window.run((texts) => {
      const draft = document.querySelector('#draft');
      draft.focus();
      const press = (key) => draft.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }));
      for (const text of texts) {
        document.execCommand('insertText', false, text);
        press('Enter');
      }
      press('ArrowUp');
    }, quick);
    await window.seeText('.mode', '셋');
    await window.press(Key.Escape);
    await window.gone('.mode');
    await seojun.message(group, '셋');
    const { messages } = await seojun.ask('message.list', { group, limit: 10 });
    const heard = messages.toReversed().map((message) => message.text).filter((text) => quick.includes(text));
    assert.deepEqual(heard, quick);
  });

  await test('an edited message tells when it was changed', async () => {
    await say('내일 일곱 시');
    await seojun.message(group, '내일 일곱 시');
    await window.press(Key.Up);
    await window.seeText('.mode', '메시지 고치기');
    await window.fill('#draft', '내일 여덟 시');
    await window.press(Key.Enter);
    await find('내일 여덟 시');
    await window.see('[data-found] .edited');
    await act('내일 여덟 시', 'history');
    await until('two states', async () => (await window.count('[data-testid=history] li')) === 2);
    await window.seeText('[data-testid=history]', '내일 여덟 시');
    await shot('45-history');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('what is deleted for me is gone here and stays with the others', async () => {
    const { id } = await haru.ask('message.send', { group, text: '나에게서만 사라질 말' });
    await window.seeText(bubble, '나에게서만 사라질 말');
    await act('나에게서만 사라질 말', 'hide');
    await window.seeText('dialog', '다른 사람에게는 그대로 남아요');
    await window.click('[data-testid=confirm]');
    await eventually(() => window.texts(bubble), (found) => assert.equal(found.includes('나에게서만 사라질 말'), false));
    assert.ok((await haru.ask('message.list', { group, limit: 20 })).messages.some((message) => message.id === id));
  });

  await test('a message is forwarded as a new one', async () => {
    await act('내일 여덟 시', 'forward');
    await window.fill('[data-testid=pick-find]', '책');
    await window.seeText('[data-testid=pick]', '책 읽는 저녁');
    await shot('46-forward');
    await window.press(Key.Enter);
    await window.seeText('[data-testid=conversation-title]', '책 읽는 저녁');
    await window.seeText(bubble, '내일 여덟 시');
    await open('북한산 산행');
  });

  await test('under a timer messages say when they disappear', async () => {
    await window.click('[data-testid=conversation-menu]');
    await window.click('[data-testid=menu-timer]');
    await window.click('[data-testid=timer-3600]');
    await shot('47-timer');
    await window.press(Key.Escape);
    await window.seeText('[data-testid=timer]', '1시간');
    await say('한 시간 뒤에 사라질 말');
    await find('한 시간 뒤에 사라질 말');
    await window.see('[data-found] .timer');
    const { expires_at: at, sent_at: sent } = await seojun.message(group, '한 시간 뒤에 사라질 말');
    assert.ok(at >= sent + 3_600_000 && at <= sent + 3_720_000, `${at - sent}`);
    await window.click('[data-testid=conversation-menu]');
    await window.click('[data-testid=menu-timer]');
    await window.click('[data-testid=timer-0]');
    await window.press(Key.Escape);
    await window.gone('[data-testid=timer]');
  });

  await test('what is unread begins at its line, and Escape goes to the newest', async () => {
    await open('책 읽는 저녁');
    for (let n = 1; n <= 40; n += 1) await yuna.ask('message.send', { group, text: `밀린 말 ${n}` });
    await eventually(
      () => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('group_list')),
      (groups) => assert.equal(groups.find((known) => known.name === '북한산 산행').unread, 40),
      30_000,
    );
    await open('북한산 산행');
    await window.see('[data-unread]');
    await window.seeText('[data-testid=to-latest]', '새 메시지');
    await eventually(
      () => window.run(() => {
        const frame = document.querySelector('.scroller').getBoundingClientRect();
        const line = document.querySelector('[data-unread]').getBoundingClientRect();
        return line.top >= frame.top && line.bottom <= frame.bottom;
      }),
      (found) => assert.equal(found, true),
    );
    await shot('48-unread');
    await window.click('#draft');
    await window.press(Key.Escape);
    await window.seeText(bubble, '밀린 말 40');
    await window.gone('[data-testid=to-latest]');
    await eventually(
      () => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('group_list')),
      (groups) => assert.equal(groups.find((known) => known.name === '북한산 산행').unread, 0),
    );
  });
}
