import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { place } from '../lib/programs.mjs';
import { Key, transcript, until } from '../lib/webdriver.mjs';

/** On a new device, from the backup that was made before. */
export async function restore(world) {
  const { test, backup, people, group, shot } = world;
  const fresh = '새 기기 새 자물쇠';
  await world.open({ home: 'new-device', state: 'new-device', profile: join(place('new-device'), 'profile') });
  const { window } = world;
  const choose = async (file, passphrase) => {
    await window.fill('#file', file);
    await window.fill('#backup-passphrase', passphrase);
    await window.click('[data-testid=restore-next]');
    await window.see('#passphrase-repeat');
    await window.fill('#passphrase', fresh);
    await window.fill('#passphrase-repeat', fresh);
    await window.click('[data-testid=restore-next]');
  };

  await test('the first screen offers to restore, and what is wrong with the file is said plainly', async () => {
    await window.click('[data-testid=start-restore]');
    await window.seeText('h1', '백업에서 되돌리기');
    await shot('45-restore');
    const other = join(place('documents'), 'other.backup');
    writeFileSync(other, 'no backup at all');
    await choose(other, backup.passphrase);
    await window.seeText('[role=alert]', 'Sori의 백업 파일이 아니에요');
    await choose(backup.file, '틀린 암호문구');
    await window.seeText('[role=alert]', '이 백업의 암호문구가 아니에요', 30_000);
    await shot('46-restore-wrong');
  });

  await test('the backup becomes a profile, with everything that was said', async () => {
    await choose(backup.file, backup.passphrase);
    await window.seeText('h1', '되돌렸어요', 40_000);
    await shot('47-restored');
    await window.click('[data-testid=restore-open]');
    await window.seeText('[data-testid=conversation]', '북한산 산행');
    await window.seeText('header .name', '민지');
    await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('북한산')).click());
    await window.seeText('[data-testid=conversation-title]', '북한산 산행');
    await window.see('[data-testid=messages][data-settled=true]');
    const first = '좋아요! 김밥은 제가 싸 갈게요';
    const said = await transcript(window, (texts) => texts.includes(first));
    assert.ok(said.includes(first), 'what was said first is there');
    await window.click('[data-testid=to-latest]');
    await window.gone('[data-testid=to-latest]');
  });

  await test('it comes back into the group by itself, and the conversation goes on', async () => {
    const text = '새 기기에서 인사해요';
    await window.type('#draft', text + Key.Enter);
    // Longer than the longest pause before another try to connect.
    await people['서준'].message(group, text, 45_000);
    await window.gone('[data-testid=rejoining]', 30_000);
    await shot('48-back');
  });

  await world.app.stop();
  await test('and it is opened by the passphrase that was chosen for it', async () => {
    await world.open({ home: 'new-device', state: 'new-device', profile: join(place('new-device'), 'profile') });
    await world.window.type('#passphrase', fresh);
    await world.window.click('[data-testid=unlock]');
    await world.window.seeText('[data-testid=conversation]', '북한산 산행', 30_000);
    assert.equal(await world.window.count('dialog[open]'), 0);
    await until('no trouble', async () => (await world.window.count('[data-testid=opening-trouble]')) === 0);
  });
  await world.app.stop();
}
