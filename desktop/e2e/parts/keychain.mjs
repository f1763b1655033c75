import { existsSync } from 'node:fs';
import { place } from '../lib/programs.mjs';

const NAME = 'a profile locked by the keychain opens by itself the next time';
const daemon = '/usr/bin/gnome-keyring-daemon';

/** The other way to lock a profile, with a real keychain in the session. */
export async function keychain(world) {
  const { test } = world;
  if (!existsSync(daemon)) return world.skip(NAME, 'gnome-keyring is not installed');
  const options = {
    home: 'keychain',
    profile: place('keychain-profile'),
    before: `printf test | ${daemon} --unlock --components=secrets >/dev/null`,
  };

  await test(NAME, async () => {
    await world.open(options);
    await world.window.type('#name', '지우');
    await world.window.click('[data-testid=start-next]');
    await world.window.click('[data-testid=protect-keychain]');
    await world.window.seeText('.warning', '이 컴퓨터를 잃으면');
    await world.window.gone('#passphrase');
    await world.window.click('[data-testid=start-next]');
    await world.window.see('#relay');
    await world.window.click('[data-testid=start-next]');
    await world.window.click('[data-testid=start-open]');
    await world.window.see('[data-testid=empty-new]');
    await world.app.stop();
    await world.open(options);
    await world.window.see('[data-testid=empty-new]');
    await world.window.seeText('header .name', '지우');
  });
  await world.app.stop();
}
