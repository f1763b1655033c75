import assert from 'node:assert/strict';
import { Key, eventually, until } from '../lib/webdriver.mjs';
import { faults } from './accessibility.mjs';

const bubble = '[data-testid=message] .text';

/** What asks for attention and what does not: names, muting for a time, rows that stay; several messages at once, and notes to oneself. */
export async function attention(world) {
  const { test, window, people, shot, group } = world;
  const { 하루: haru, 유나: yuna } = people;

  const open = async (name) => {
    await window.run((wanted) => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes(wanted)).click(), name);
    await window.seeText('[data-testid=conversation-title]', name);
    await window.see('[data-testid=messages][data-settled=true]');
  };
  const listed = async (name) => (await window.run(() => globalThis.__TAURI_INTERNALS__.invoke('group_list'))).find((known) => known.name === name);
  const rows = () => window.texts('[data-testid=conversation] strong');
  const look = async (name) => {
    await shot(name);
    assert.deepEqual(await faults(window), []);
  };
  const menuOf = async (text) => {
    await until(`the menu of "${text}"`, () =>
      window.run((wanted) => {
        const row = [...document.querySelectorAll('[data-testid=message]')].find((one) => one.querySelector('.text').textContent === wanted);
        row?.querySelector('[data-testid=tool-menu]')?.click();
        return row !== undefined;
      }, text),
    );
    await window.see('[role=menu]');
  };
  /** In English and the dark, and back again. */
  const otherwise = async (work) => {
    for (const [theme, language] of [['dark', 'en'], ['light', 'ko']]) {
      await window.press(Key.Control, ',');
      await window.click(`[data-testid=theme-${theme}]`);
      await window.click(`[data-testid=language-${language}]`);
      await window.press(Key.Escape);
      await window.gone('dialog[open]');
      if (language === 'en') await work();
    }
  };

  await test('who is named sees it in the list until they have read', async () => {
    await open('책 읽는 저녁');
    const { account } = await window.run(() => globalThis.__TAURI_INTERNALS__.invoke('account_info'));
    await haru.ask('message.send', { group, text: `[@민지](sori:a/${account}) 님, 토요일에 차 있어요?` });
    await yuna.ask('message.send', { group, text: '저도 궁금해요' });
    await window.see('[data-testid=named]');
    await window.seeText('[data-testid=conversation]', '저도 궁금해요');
    await look('50-named');
    await open('북한산 산행');
    await window.seeText(bubble, '저도 궁금해요');
    await window.gone('[data-testid=named]');
    assert.equal((await listed('북한산 산행')).named, false);
  });

  await test('a conversation is muted for a time, and says until when', async () => {
    await window.click('[data-testid=conversation-menu]');
    await window.click('[data-testid=menu-mute]');
    await window.see('[data-testid=menu-mute-always]');
    await look('51-mute');
    await window.click('[data-testid=menu-mute-28800]');
    await window.see('[data-testid=muted]');
    const { muted, muted_until: end } = await listed('북한산 산행');
    assert.equal(muted, true);
    assert.ok(Math.abs(end - Date.now() - 8 * 3_600_000) < 600_000);
    await window.click('[data-testid=conversation-menu]');
    await window.seeText('[data-testid=menu-mute]', '다시 켜져요');
    await shot('52-muted');
    await window.click('[data-testid=menu-mute]');
    await window.gone('[data-testid=muted]');
    assert.equal((await listed('북한산 산행')).muted_until, null);
  });

  await test('muting ends by itself', async () => {
    await window.run((id) => globalThis.__TAURI_INTERNALS__.invoke('group_mute', { group: id, muted: true, seconds: 2 }), group);
    await window.see('[data-testid=muted]');
    await window.gone('[data-testid=muted]');
  });

  await test('rows keep their places while the pointer moves over the list', async () => {
    const behind = '책 읽는 저녁';
    await eventually(rows, (found) => assert.equal(found[0], '북한산 산행'));
    const before = await rows();
    // A hand that moves on: for as long as it does, what comes in changes no place.
    await window.run(() => {
      const list = document.querySelector('[data-testid=conversation]').closest('.list');
      const move = () => list.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, movementX: 1, movementY: 0 }));
      move();
      globalThis.moving = setInterval(move, 50);
    });
    const { groups } = await haru.ask('group.list');
    await haru.ask('message.send', { group: groups.find((known) => known.name === behind).group, text: '새로 온 말' });
    await window.seeText('[data-testid=conversation]', '새로 온 말');
    assert.deepEqual(await rows(), before);
    await window.run(() => clearInterval(globalThis.moving));
    await eventually(rows, (found) => assert.equal(found[0], behind));
  });

  await test('what somebody pins is seen by all above the conversation, and a press goes there', async () => {
    await open('북한산 산행');
    const { id } = await haru.ask('message.send', { group, text: '우이역 2번 출구에서 만나요' });
    await window.seeText(bubble, '우이역 2번 출구에서 만나요');
    await menuOf('우이역 2번 출구에서 만나요');
    await window.click('[data-testid=menu-pin-message]');
    await window.seeText('[data-testid=pinned]', '우이역 2번 출구에서 만나요');
    await until('the pin at the other side', async () => (await yuna.ask('message.pinned', { group })).messages.some((message) => message.id === id));
    const other = await haru.ask('message.send', { group, text: '도시락은 각자 싸 와요' });
    await haru.ask('message.pin', { group, id: other.id, pinned: true });
    await window.seeText('[data-testid=pinned]', '도시락은 각자 싸 와요');
    await window.seeText('[data-testid=pinned]', '1/2');
    await look('52-pinned-message');
    await otherwise(async () => {
      await window.seeText('[data-testid=pinned]', 'Pinned message');
      await look('52-pinned-message-english-dark');
    });
    await window.click('[data-testid=pinned]');
    await until('the message with the focus', () => window.run((wanted) => document.activeElement.dataset.message === wanted, other.id));
    await window.seeText('[data-testid=pinned]', '2/2');
    await haru.ask('message.pin', { group, id: other.id, pinned: false });
    await window.seeText('[data-testid=pinned]', '우이역 2번 출구에서 만나요');
    await menuOf('우이역 2번 출구에서 만나요');
    await window.click('[data-testid=menu-pin-message]');
    await window.gone('[data-testid=pinned]');
  });

  await test('several messages are chosen, copied as one text, and taken out here', async () => {
    await open('북한산 산행');
    for (const text of ['첫째로 고를 말', '둘째로 고를 말']) {
      await haru.ask('message.send', { group, text });
      await window.seeText(bubble, text);
    }
    await menuOf('첫째로 고를 말');
    await window.click('[data-testid=menu-select]');
    await window.seeText('[data-testid=selected-count]', '메시지 1개를 골랐어요');
    assert.equal(await window.count('#draft'), 0);
    await window.run((wanted) => [...document.querySelectorAll('[data-testid=message]')].find((one) => one.querySelector('.text').textContent === wanted).querySelector('[data-testid=pick]').click(), '둘째로 고를 말');
    await window.seeText('[data-testid=selected-count]', '메시지 2개를 골랐어요');
    await look('53-selected');
    await otherwise(async () => {
      await window.seeText('[data-testid=selected-count]', '2 messages selected');
      await look('54-selected-english-dark');
    });
    // By keys, too: the message that has the focus, and Escape ends it.
    await window.run((wanted) => [...document.querySelectorAll('[data-testid=message]')].find((one) => one.querySelector('.text').textContent === wanted).focus(), '둘째로 고를 말');
    await window.press(Key.Enter);
    await window.seeText('[data-testid=selected-count]', '메시지 1개를 골랐어요');
    await window.press(Key.Enter);
    await window.seeText('[data-testid=selected-count]', '메시지 2개를 골랐어요');
    await window.click('[data-testid=selected-hide]');
    await window.seeText('dialog', '메시지 2개를 이 기기에서만 지울까요?');
    await shot('55-selected-hide');
    await window.click('[data-testid=confirm]');
    await window.see('#draft');
    await eventually(() => window.texts(bubble), (found) => assert.deepEqual(found.filter((text) => text.includes('고를 말')), []));
    assert.equal((await haru.ask('message.list', { group, limit: 10 })).messages.filter((message) => message.text.includes('고를 말')).length, 2);
  });

  await test('Escape ends choosing', async () => {
    await yuna.ask('message.send', { group, text: '고르지 않을 말' });
    await window.seeText(bubble, '고르지 않을 말');
    await menuOf('고르지 않을 말');
    await window.click('[data-testid=menu-select]');
    await window.see('[data-testid=selecting]');
    await window.press(Key.Escape);
    await window.gone('[data-testid=selecting]');
    await window.see('#draft');
  });

  await test('what one writes to oneself stays with oneself', async () => {
    await window.click('[data-testid=new]');
    await shot('56-new');
    await window.click('[data-testid=menu-own]');
    await window.seeText('[data-testid=conversation-title]', '나에게 쓰기');
    await window.seeText('.titles', '메모와 파일을 나만 볼 수 있어요');
    assert.equal(await window.count('[data-testid=invite]'), 0);
    await look('57-own-empty');
    await window.type('#draft', `우유 사기${Key.Enter}`);
    await window.seeText(bubble, '우유 사기');
    await look('58-own');
    await otherwise(async () => {
      await window.seeText('[data-testid=conversation-title]', 'Notes to myself');
      await window.seeText('[data-testid=conversation]', 'Notes to myself');
      await look('59-own-english-dark');
    });
    // It is made once.
    await open('북한산 산행');
    const before = (await rows()).length;
    await window.click('[data-testid=new]');
    await window.click('[data-testid=menu-own]');
    await window.seeText(bubble, '우유 사기');
    assert.equal((await rows()).length, before);
    await open('북한산 산행');
    await haru.ask('message.send', { group, text: '다시 산행 이야기를 해요' });
    await eventually(rows, (found) => assert.equal(found[0], '북한산 산행'));
  });
}
