import assert from 'node:assert/strict';
import { until } from '../lib/webdriver.mjs';

/** Makes a group and lets three people in; then follows an invite of somebody else. */
export async function invites(world) {
  const { test, window, people, shot } = world;

  await test('a group is created', async () => {
    await window.click('[data-testid=empty-new]');
    await window.click('[data-testid=menu-new-group]');
    await window.type('#group-name', '주말 등산');
    await window.click('[data-testid=name-submit]');
    await window.seeText('[data-testid=conversation-title]', '주말 등산');
    await shot('06-new-group');
  });

  await test('an invite is a link and a QR code', async () => {
    await window.click('[data-testid=invite]');
    await window.click('[data-testid=uses-5]');
    await window.click('[data-testid=invite-make]');
    world.invite = await until('the link', () => window.value('[data-testid=invite-url]'));
    assert.match(world.invite, /^sori:invite#/);
    const path = await window.run(() => document.querySelector('[data-testid=qr] path').getAttribute('d'));
    assert.match(path, /^M0 0h7v1h-7z/);
    await window.seeText('dialog', 'Sori를 켜 두세요');
    await shot('07-invite');
  });

  await test('the link is copied', async () => {
    await window.click('[data-testid=invite-copy]');
    await window.seeText('[data-testid=invite-copy]', '복사했어요');
  });

  for (const [name, person] of Object.entries(people)) {
    await test(`${name} knocks, both see the same code, and is let in`, async () => {
      const { id } = await person.ask('invite.accept', { url: world.invite });
      await window.see('[data-testid=request]');
      await window.seeText('[data-testid=request]', name);
      const shown = (await window.texts('[data-testid=request] [data-testid=code]'))[0].replace('확인 숫자', '');
      const told = await until('the code at the other side', async () => {
        const { joins } = await person.ask('join.list');
        return joins.find((join) => join.id === id)?.code;
      });
      assert.equal(shown, told);
      if (name === '서준') await shot('08-request');
      await window.click('[data-testid=approve]');
      const group = await until('the group at the other side', async () => {
        const { groups } = await person.ask('group.list');
        return groups.find((group) => group.name === '주말 등산')?.group;
      });
      world.group = group;
    });
  }

  await test('the members are listed', async () => {
    await window.press('\uE00C');
    await window.gone('dialog[open]');
    await window.seeText('header p', '4명');
    await window.click('[data-testid=members]');
    await until('four members', async () => (await window.count('[data-testid=member]')) === 4);
    await window.seeText('[data-testid=member]', '소유자');
    await shot('09-members');
    await window.click('[data-testid=members]');
  });

  await test('an invite of somebody else is followed, and the code shown while waiting', async () => {
    const { url } = await people['하루'].ask('invite.create', {});
    await window.click('[data-testid=new]');
    await window.click('[data-testid=menu-join]');
    await window.type('#join-url', 'https://example.org/');
    await window.click('[data-testid=join-ask]');
    await window.seeText('dialog [role=alert]', 'Sori 초대 링크가 아니에요');
    await window.fill('#join-url', url);
    await window.click('[data-testid=join-ask]');
    await window.see('[data-testid=join-state][data-state=waiting]');
    const shown = (await window.texts('dialog [data-testid=code]'))[0].replace('확인 숫자', '');
    const join = await until('the request at the other side', async () => {
      const { joins } = await people['하루'].ask('join.list');
      return joins.find((join) => join.name === '민지' && join.code === shown);
    });
    await shot('10-join');
    await people['하루'].ask('join.approve', { id: join.id });
    await window.see('[data-testid=join-state][data-state=done]');
    await window.click('[data-testid=join-enter]');
    await window.seeText('[data-testid=conversation-title]', '하루');
  });
}
