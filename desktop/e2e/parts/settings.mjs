import assert from 'node:assert/strict';
import { Key, eventually, sleep, until } from '../lib/webdriver.mjs';

/** Names, roles, safety numbers, language and theme. */
export async function settings(world) {
  const { test, window, people, shot } = world;
  const { group } = world;

  const memberMenu = async (name) => {
    await window.run((wanted) => {
      const row = [...document.querySelectorAll('[data-testid=member]')].find((member) => member.textContent.includes(wanted));
      row.querySelector('[data-testid=member-menu]').click();
    }, name);
    await window.see('[role=menu]');
  };

  await test('a safety number is the same on both sides and can be marked as compared', async () => {
    await window.click('[data-testid=members]');
    await window.see('[data-testid=member]');
    await memberMenu('하루');
    await window.click('[data-testid=menu-verify]');
    const shown = (await window.text('[data-testid=safety-number]')).replace(/\s+/g, ' ').trim();
    assert.match(shown, /^(\d{5} ){11}\d{5}$/);
    const { contacts } = await people['하루'].ask('contact.list');
    const told = contacts.find((contact) => contact.name === '민지')?.safety_number;
    if (told !== undefined) assert.equal(shown, told);
    await shot('13-safety-number');
    await window.click('[data-testid=verify-confirm]');
    await window.gone('dialog[open]');
    await window.seeText('[data-testid=member]', '확인함');
  });

  await test('a role is given, and everybody hears of it', async () => {
    await memberMenu('서준');
    await window.click('[data-testid=menu-admin]');
    await window.seeText('[data-testid=member]', '관리자');
    await until('the role at the other side', async () => {
      const { members } = await people['유나'].ask('group.info', { group });
      return members.find((member) => member.name === '서준')?.role === 'admin';
    });
  });

  await test('a member is removed after a question, and let in again', async () => {
    await memberMenu('유나');
    await window.click('[data-testid=menu-remove]');
    await window.seeText('dialog h2', '유나 님을 내보낼까요');
    await window.click('[data-testid=confirm]');
    await until('three members', async () => (await window.count('[data-testid=member]')) === 3);
    await window.seeText('[data-testid=notice]', '유나 님을 내보냈어요');
    await until('word of it at the other side', async () => {
      const { groups } = await people['유나'].ask('group.list');
      return groups.find((known) => known.group === group)?.active === false;
    });
    // She comes back the way she came.
    const { url } = await window.run((given) => globalThis.__TAURI_INTERNALS__.invoke('invite_create', { options: given }), { group, uses: 1, expires_s: 3600 });
    await people['유나'].ask('invite.accept', { url });
    await window.click('[data-testid=requests]');
    await window.click('[data-testid=approve]');
    await window.gone('dialog[open]');
    await until('four members', async () => (await window.count('[data-testid=member]')) === 4);
    await until('the group at the other side', async () => {
      const { groups } = await people['유나'].ask('group.list');
      return groups.find((known) => known.group === group)?.active;
    });
  });

  await test('somebody one knows is added to another group without a link', async () => {
    await window.click('[data-testid=new]');
    await window.click('[data-testid=menu-new-group]');
    await window.type('#group-name', '책 읽는 저녁');
    await window.click('[data-testid=name-submit]');
    await window.seeText('[data-testid=conversation-title]', '책 읽는 저녁');
    await window.click('[data-testid=add-contact]');
    await window.seeText('dialog li', '하루');
    await window.run(() => [...document.querySelectorAll('dialog li')].find((row) => row.textContent.includes('하루')).querySelector('button').click());
    await until('two members', async () => (await window.count('[data-testid=member]')) === 2);
    await until('the group at the other side', async () => {
      const { groups } = await people['하루'].ask('group.list');
      return groups.some((known) => known.name === '책 읽는 저녁');
    });
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('주말 등산')).click());
    await window.seeText('[data-testid=conversation-title]', '주말 등산');
    await window.see('[data-testid=member]');
  });

  await test('the group is renamed, and a line in the timeline says so', async () => {
    await window.click('[data-testid=rename]');
    await window.fill('#group-name', '북한산 산행');
    await window.click('[data-testid=name-submit]');
    await window.seeText('[data-testid=conversation-title]', '북한산 산행');
    await window.seeText('[data-testid=notice]', '그룹 이름을 ‘북한산 산행’으로 바꿨어요');
    await until('the name at the other side', async () => (await people['하루'].ask('group.info', { group })).name === '북한산 산행');
  });

  await test('the edge of the list is moved by keys and stays there, and the keyboard’s focus says what a button is for', async () => {
    const wide = () => window.run(() => document.querySelector('.region-list').getBoundingClientRect().width);
    const before = await wide();
    await window.run(() => document.querySelector('[data-testid=list-edge]').focus());
    for (let n = 0; n < 3; n += 1) await window.press(Key.Right);
    await eventually(wide, (found) => assert.equal(found, before + 48));
    const settings = () => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('app_start')).then((start) => start.settings);
    await eventually(settings, (found) => assert.equal(found.list_width, before + 48));
    for (let n = 0; n < 3; n += 1) await window.press(Key.Left);
    await eventually(wide, (found) => assert.equal(found, before));
    await window.press(Key.Tab);
    await window.run(() => document.querySelector('[data-testid=settings]').focus());
    await window.press(Key.Tab);
    await eventually(() => window.texts('[data-testid=tip]'), (found) => assert.deepEqual(found, ['새 대화']));
    await shot('13-tip');
    await window.press(Key.Escape);
    await window.gone('[data-testid=tip]');
  });

  await test('times go from 0 to 24 if somebody wants that', async () => {
    const times = () => window.texts('[data-testid=message] time');
    await eventually(times, (found) => assert.match(found.at(-1), /^오[전후] \d{1,2}:\d\d$/));
    await window.click('[data-testid=settings]');
    await window.click('[data-testid=whole-day]');
    await eventually(times, (found) => assert.match(found.at(-1), /^\d\d:\d\d$/));
    await window.click('[data-testid=whole-day]');
    await eventually(times, (found) => assert.match(found.at(-1), /^오[전후] /));
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('what is kept for others is bounded as somebody chooses', async () => {
    const kept = () => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('choices'));
    await window.click('[data-testid=settings]');
    await window.click('[data-testid=log-days-14]');
    await window.click('[data-testid=log-mib-512]');
    await eventually(kept, (found) => assert.deepEqual([found.log_days, found.log_mib], [14, 512]));
    await window.run(() => document.querySelector('[data-testid=log-days-14]').scrollIntoView({ block: 'center' }));
    await shot('13-kept-for-others');
    await window.click('[data-testid=log-days-30]');
    await window.click('[data-testid=log-mib-0]');
    await eventually(kept, (found) => assert.deepEqual([found.log_days, found.log_mib], [30, 0]));
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('who is writing is told only where both want that', async () => {
    const person = people['서준'];
    const heard = () => person.heard.some((line) => line.method === 'member.typing' && line.params.group === group);
    await person.ask('settings.set', { typing: true });
    person.heard.length = 0;
    await window.type('#draft', '나');
    await person.ask('group.typing', { group });
    await sleep(1_500);
    assert.equal(heard(), false);
    assert.equal(await window.count('[data-testid=writing]'), 0);
    await window.click('[data-testid=settings]');
    await window.click('[data-testid=typing]');
    await eventually(() => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('choices')), (found) => assert.equal(found.typing, true));
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await until('word of it at the other side', async () => {
      await window.type('#draft', '도');
      return heard();
    });
    await until('word of it here', async () => {
      await person.ask('group.typing', { group });
      return (await window.count('[data-testid=writing]')) === 1;
    });
    assert.deepEqual(await window.texts('[data-testid=writing]'), ['서준 님이 쓰는 중…']);
    assert.deepEqual(await window.texts('[data-testid=row-writing]'), ['쓰는 중…']);
    await shot('13-writing');
    await person.ask('message.send', { group, text: '다 썼어요' });
    await window.gone('[data-testid=writing]');
    await window.fill('#draft', '');
    await window.click('[data-testid=settings]');
    await window.click('[data-testid=typing]');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('language and theme change at once', async () => {
    await window.click('[data-testid=settings]');
    await window.click('[data-testid=theme-dark]');
    await window.click('[data-testid=language-en]');
    await window.seeText('dialog h2', 'Settings');
    await eventually(() => window.run(() => document.documentElement.lang), (found) => assert.equal(found, 'en'));
    await shot('14-settings-english-dark');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await window.seeText('[data-testid=connection]', 'Connected');
    await window.seeText('[data-testid=notice]', 'renamed the group');
    await shot('15-english-dark');
    await window.click('[data-testid=settings]');
    await window.click('[data-testid=theme-light]');
    await window.click('[data-testid=language-ko]');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await window.click('[data-testid=members]');
    await window.seeText('[data-testid=connection]', '연결됨');
  });
}
