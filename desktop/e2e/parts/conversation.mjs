import assert from 'node:assert/strict';
import { Key, eventually, until } from '../lib/webdriver.mjs';

/** Selector of the message whose bubble holds exactly `text`, marked for the purpose. */
async function find(window, text) {
  await until(`the message "${text}"`, () =>
    window.run((wanted) => {
      const mark = () => {
        const rows = [...document.querySelectorAll('[data-testid=message]')];
        const found = rows.find((row) => row.querySelector('.text').textContent === globalThis.wantedText);
        if (found === undefined || found.hasAttribute('data-found')) return found !== undefined;
        document.querySelector('[data-found]')?.removeAttribute('data-found');
        found.setAttribute('data-found', '');
        return true;
      };
      globalThis.wantedText = wanted;
      // The list draws rows anew as it likes; the mark stays with the message.
      globalThis.marking ??= setInterval(mark, 20);
      return mark();
    }, text),
  );
  return '[data-found]';
}

async function menu(window, text) {
  await until(`the menu of "${text}"`, async () =>
    window.run((selector) => {
      const button = document.querySelector(selector)?.querySelector('[data-testid=tool-menu]');
      button?.click();
      return button != null;
    }, await find(window, text)),
  );
  await window.see('[role=menu]');
}

/** Everything that people do with messages, both ways. */
export async function conversation(world) {
  const { test, window, people, shot } = world;
  const { 서준: seojun, 하루: haru, 유나: yuna } = people;
  const { group } = world;
  const inBubble = '[data-testid=message] .text';
  const say = async (text) => {
    await window.type('#draft', text + Key.Enter);
    await until('an empty composer', async () => (await window.value('#draft')) === '');
    world.texts.push(text);
  };

  await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('주말 등산')).click());
  await window.seeText('[data-testid=conversation-title]', '주말 등산');

  await test('Korean text comes in, and is answered with Enter', async () => {
    const text = '이번 토요일 북한산 어때요? 아침 8시에 우이역에서 만나요.';
    world.texts.push(text);
    await seojun.ask('message.send', { group, text });
    await window.seeText(inBubble, text);
    await say('좋아요! 김밥은 제가 싸 갈게요');
    for (const person of [seojun, haru, yuna]) await person.message(group, '좋아요! 김밥은 제가 싸 갈게요');
  });

  await test('an own message says where copies are', async () => {
    await window.seeText('[data-testid=copies]', '모두에게 있어요');
    await eventually(() => window.count('[data-testid=copies][data-state=delivered]'), (found) => assert.equal(found, 1));
  });

  await test('who has it is told by name, by the mark and by the menu', async () => {
    await window.run(() => document.querySelector('[data-testid=copies]').click());
    await eventually(() => window.texts('[data-testid=copies-holders] .name'), (found) => assert.deepEqual(found.toSorted(), ['서준', '유나', '하루']));
    await window.press(Key.Escape);
    await window.gone('[data-testid=copies-holders]');
    await menu(window, '좋아요! 김밥은 제가 싸 갈게요');
    await window.click('[data-testid=menu-copies]');
    await window.see('[data-testid=copies-holders]');
    await window.press(Key.Escape);
    await window.gone('[data-testid=copies-holders]');
  });

  await test('Shift+Enter makes a new line', async () => {
    await window.click('#draft');
    await window.type('#draft', '첫 줄');
    await window.press(Key.Shift, Key.Enter);
    await window.type('#draft', '둘째 줄');
    await eventually(() => window.value('#draft'), (found) => assert.equal(found, '첫 줄\n둘째 줄'));
    await window.fill('#draft', '');
  });

  await test('Enter does not send while a syllable is being composed', async () => {
    await window.type('#draft', '조합 중');
    const prevented = await window.run(() => {
      const area = document.querySelector('#draft');
      const events = [
        new KeyboardEvent('keydown', { key: 'Enter', isComposing: true, bubbles: true, cancelable: true }),
        Object.defineProperty(new KeyboardEvent('keydown', { key: 'Enter', bubbles: true, cancelable: true }), 'keyCode', { value: 229 }),
      ];
      for (const event of events) area.dispatchEvent(event);
      return events.some((event) => event.defaultPrevented);
    });
    assert.equal(prevented, false);
    await eventually(() => window.value('#draft'), (found) => assert.equal(found, '조합 중'));
    await window.fill('#draft', '');
  });

  await test('a reply shows what it answers, both ways', async () => {
    const { id } = await haru.message(group, '좋아요! 김밥은 제가 싸 갈게요');
    world.texts.push('저는 따뜻한 차 가져갈게요');
    await haru.ask('message.send', { group, text: '저는 따뜻한 차 가져갈게요', reply_to: id });
    await find(window, '저는 따뜻한 차 가져갈게요');
    await eventually(() => window.texts('[data-found] [data-testid=quote]'), (found) => assert.deepEqual(found, ['나 좋아요! 김밥은 제가 싸 갈게요']));
    await window.run(() => document.querySelector('[data-found] [data-testid=tool-reply]').click());
    await window.seeText('.mode', '하루 님에게 답장');
    await say('고마워요, 하루 님');
    await find(window, '고마워요, 하루 님');
    await eventually(() => window.texts('[data-found] [data-testid=quote]'), (found) => assert.deepEqual(found, ['하루 저는 따뜻한 차 가져갈게요']));
    await seojun.message(group, '고마워요, 하루 님');
  });

  await test('reactions of others and own ones are shown, and say who', async () => {
    const { id } = await yuna.message(group, '좋아요! 김밥은 제가 싸 갈게요');
    await yuna.ask('message.react', { group, id, emoji: '👍' });
    await seojun.ask('message.react', { group, id, emoji: '👍' });
    await find(window, '좋아요! 김밥은 제가 싸 갈게요');
    await until('two thumbs', async () => (await window.text('[data-found] [data-testid=reaction]')).includes('2'));
    const who = await window.run(() => document.querySelector('[data-found] [data-testid=reaction]').getAttribute('aria-label'));
    assert.match(who, /서준/);
    assert.match(who, /유나/);
    await menu(window, '저는 따뜻한 차 가져갈게요');
    await window.run(() => document.querySelectorAll('[data-testid=emoji]')[1].click());
    await find(window, '저는 따뜻한 차 가져갈게요');
    await window.see('[data-found] [data-testid=reaction][aria-pressed=true]');
  });

  await test('a reaction is taken back by a second press', async () => {
    await find(window, '저는 따뜻한 차 가져갈게요');
    await window.click('[data-found] [data-testid=reaction]');
    await window.gone('[data-found] [data-testid=reaction]');
  });

  await test('edits are marked, of others and own ones by the arrow key', async () => {
    const { id } = await yuna.ask('message.send', { group, text: '비 온대요' });
    await window.seeText(inBubble, '비 온대요');
    await yuna.ask('message.edit', { group, id, text: '오전에는 비 안 온대요' });
    await find(window, '오전에는 비 안 온대요');
    await window.seeText('[data-found] .edited', '고침');
    world.texts.push('오전에는 비 안 온대요');
    await say('그럼 8시에 봐오');
    world.texts.pop();
    await find(window, '그럼 8시에 봐오');
    await window.click('#draft');
    await window.press(Key.Up);
    await window.seeText('.mode', '메시지 고치기');
    await eventually(() => window.value('#draft'), (found) => assert.equal(found, '그럼 8시에 봐오'));
    await window.fill('#draft', '그럼 8시에 봐요!');
    await window.press(Key.Enter);
    await find(window, '그럼 8시에 봐요!');
    await window.see('[data-found] .edited');
    await seojun.message(group, '그럼 8시에 봐요!');
    world.texts.push('그럼 8시에 봐요!');
  });

  await shot('11-conversation');

  await test('deleted messages are shown as deleted, both ways', async () => {
    const { id } = await seojun.ask('message.send', { group, text: '잘못 보낸 말' });
    await window.seeText(inBubble, '잘못 보낸 말');
    await seojun.ask('message.delete', { group, id });
    await window.seeText(inBubble, '지운 메시지예요');
    await say('이건 지울 말');
    world.texts.pop();
    const mine = await seojun.message(group, '이건 지울 말');
    await menu(window, '이건 지울 말');
    await window.click('[data-testid=menu-delete]');
    await window.click('[data-testid=confirm]');
    await until('two deleted', async () => (await window.texts(inBubble)).filter((text) => text === '지운 메시지예요').length === 2);
    await until('deleted at the other side', async () => {
      const { messages } = await seojun.ask('message.list', { group, limit: 50 });
      return messages.find((message) => message.id === mine.id)?.text === '';
    });
  });

  await test('markup in a message is text', async () => {
    const text = '<img src=x onerror="document.title=1"><b>굵게</b>';
    const { id } = await yuna.ask('message.send', { group, text });
    await find(window, text);
    assert.equal(await window.count('[data-found] img, [data-found] b'), 0);
    await yuna.ask('message.delete', { group, id });
  });

  await test('a very long message arrives whole and is folded', async () => {
    const text = `긴 글 ${'가나다라마바사 '.repeat(400)}`.trim();
    const { id } = await haru.ask('message.send', { group, text });
    await window.see('.unfold');
    await window.click('.unfold');
    await find(window, text);
    await haru.ask('message.delete', { group, id });
    await window.gone('.unfold');
  });

  await test('the menu opens by keyboard and Escape gives the focus back', async () => {
    // The list may draw the row anew between finding it and giving it the focus.
    await until('the focus on its row', async () => {
      const row = await find(window, '오전에는 비 안 온대요');
      return window.run((selector) => {
        document.querySelector(selector)?.focus();
        return document.activeElement.matches(selector);
      }, row);
    });
    await window.press(Key.Shift, Key.F10);
    await window.see('[role=menu] [role=menuitem]:focus');
    await window.press(Key.Down);
    await window.press(Key.Escape);
    await window.gone('[role=menu]');
    await eventually(() => window.run(() => document.activeElement.hasAttribute('data-found')), (found) => assert.equal(found, true));
  });

  await test('scrolled up, new messages do not pull the reader down', async () => {
    for (let n = 1; n <= 14; n += 1) await seojun.ask('message.send', { group, text: `준비물 ${n}번` });
    await window.seeText(inBubble, '준비물 14번');
    // A mark that changes at that very moment may still show the newest line once more.
    await until('the newest line is out of sight', () =>
      window.run(() => {
        document.querySelector('.scroller').scrollTop = 0;
        return document.querySelector('[data-testid=to-latest]') !== null;
      }),
    );
    const before = await window.run(() => document.querySelector('.scroller').scrollTop);
    await yuna.ask('message.send', { group, text: '사진기도 챙겨요' });
    await window.seeText('[data-testid=to-latest]', '새 메시지');
    assert.equal(await window.run(() => document.querySelector('.scroller').scrollTop), before);
    await window.click('[data-testid=to-latest]');
    await window.gone('[data-testid=to-latest]');
  });
}
