import assert from 'node:assert/strict';
import { Key, until } from '../lib/webdriver.mjs';

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

  await test('the group is renamed, and a line in the timeline says so', async () => {
    await window.click('[data-testid=rename]');
    await window.fill('#group-name', '북한산 산행');
    await window.click('[data-testid=name-submit]');
    await window.seeText('[data-testid=conversation-title]', '북한산 산행');
    await window.seeText('[data-testid=notice]', '그룹 이름을 ‘북한산 산행’으로 바꿨어요');
    await until('the name at the other side', async () => (await people['하루'].ask('group.info', { group })).name === '북한산 산행');
  });

  await test('language and theme change at once', async () => {
    await window.click('[data-testid=settings]');
    await window.click('[data-testid=theme-dark]');
    await window.click('[data-testid=language-en]');
    await window.seeText('dialog h2', 'Settings');
    assert.equal(await window.run(() => document.documentElement.lang), 'en');
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
