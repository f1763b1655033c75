import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { App, place } from '../lib/programs.mjs';
import { Key, eventually, until } from '../lib/webdriver.mjs';

/** Locking, and destroying a profile. */
export async function locking(world) {
  const { test, window, passphrase, shot } = world;

  await test('Ctrl+L closes the profile and leaves nothing on the screen', async () => {
    await window.type('#draft', '잠그기 전에 쓰던 말');
    await window.press(Key.Control, 'l');
    await window.see('#passphrase');
    const said = await window.run(() => document.documentElement.outerHTML + document.title);
    for (const name of ['북한산', '서준', '하루', '잠그기 전에']) assert.equal(said.includes(name), false, name);
    await assert.rejects(window.run(() => globalThis.__TAURI_INTERNALS__.invoke('group_list')));
    await shot('60-locked');
  });

  await test('the passphrase opens it again, and what was begun is still there', async () => {
    await window.type('#passphrase', passphrase);
    await window.click('[data-testid=unlock]');
    await window.seeText('[data-testid=conversation]', '쓰는 중: 잠그기 전에 쓰던 말', 30_000);
    await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('쓰는 중')).click());
    await eventually(() => window.value('#draft'), (found) => assert.equal(found, '잠그기 전에 쓰던 말'));
    await window.fill('#draft', '');
    await window.seeText('[data-testid=connection]', '연결됨', 30_000);
  });

  await test('a profile is destroyed after two questions, and a new one can be made', async () => {
    const profile = join(place('wiped'), 'profile');
    const app = await App.start({ home: 'wiped', profile, screen: world.screen, state: 'wiped' });
    try {
      const { window: other } = app;
      await other.type('#name', '잠깐');
      await other.click('[data-testid=start-next]');
      await other.type('#passphrase', passphrase);
      await other.type('#passphrase-repeat', passphrase);
      await other.click('[data-testid=start-next]');
      await other.see('#relay');
      await other.click('[data-testid=start-next]');
      await other.click('[data-testid=start-open]');
      await other.see('[data-testid=empty-new]');
      assert.ok(existsSync(join(profile, 'store')));
      await other.press(Key.Control, ',');
      await other.click('[data-testid=wipe]');
      await other.click('[data-testid=wipe-first]');
      await eventually(() => other.run(() => document.querySelector('[data-testid=wipe-now]').disabled), (found) => assert.equal(found, true));
      await other.type('#wipe-word', '없애기');
      await other.click('[data-testid=wipe-now]');
      await other.see('#name', 30_000);
      await until('an empty place', () => !existsSync(profile) || readdirSync(profile).length === 0);
    } finally {
      await app.stop();
    }
  });
}
