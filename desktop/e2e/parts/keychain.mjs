import { existsSync } from 'node:fs';
import { place } from '../lib/programs.mjs';
import { Key } from '../lib/webdriver.mjs';

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

  await test('keychain and passphrase together unlock it from now on, and neither alone', async () => {
    const { window } = world;
    const passphrase = '둘이서 함께 여는 문';
    await window.press(Key.Control, ',');
    await window.seeText('[data-testid=keeping-unlock]', '이 컴퓨터의 키체인');
    await window.click('[data-testid=keeping-change]');
    await window.click('[data-testid=protect-both]');
    await window.fill('#passphrase', passphrase);
    await window.fill('#passphrase-repeat', passphrase);
    await window.click('[data-testid=unlock-change]');
    await window.seeText('[data-testid=keeping-unlock]', '암호문구와 키체인 모두', 30_000);
    await world.app.stop();

    const unlock = async (given) => {
      await world.window.type('#passphrase', given);
      await world.window.click('[data-testid=unlock]');
    };
    await world.open(options);
    await unlock('틀린 암호문구');
    await world.window.seeText('#unlock-problem', '암호문구가 맞지 않아요', 30_000);
    await unlock(passphrase);
    await world.window.see('[data-testid=empty-new]', 30_000);
    await world.app.stop();

    // A session without a keychain.
    await world.open({ ...options, home: 'no-keychain', state: 'no-keychain', before: 'export DBUS_SESSION_BUS_ADDRESS=unix:path=/nowhere' });
    await unlock(passphrase);
    await world.window.seeText('#unlock-problem', '키체인을 쓸 수 없어요', 30_000);
    await world.shot('19-no-keychain');
  });
  await world.app.stop();
}
