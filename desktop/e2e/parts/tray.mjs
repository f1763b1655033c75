import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { display, place } from '../lib/programs.mjs';
import { eventually, until } from '../lib/webdriver.mjs';

const needed = ['/usr/bin/python3', '/usr/bin/xdotool', '/usr/bin/openbox'];

/** The icon in the tray: what it says, and that a window that is closed comes back by it. */
export async function tray(world) {
  const lacking = needed.filter((path) => !existsSync(path));
  if (lacking.length > 0) return world.skip('the icon in the tray', `not installed: ${lacking.join(', ')}`);

  const folder = place('tray');
  const screen = await display({ managed: true });
  const x = (...args) => execFileSync('/usr/bin/xdotool', args, { encoding: 'utf8', env: { ...process.env, DISPLAY: screen } });
  const said = () => JSON.parse(readFileSync(join(folder, 'tray.json'), 'utf8'));
  const wanted = (what) => {
    writeFileSync(join(folder, 'do.new'), what);
    renameSync(join(folder, 'do.new'), join(folder, 'do'));
  };
  /** Windows on the screen; xdotool fails where there is none. */
  const windows = () => {
    try {
      return x('search', '--onlyvisible', '--name', 'Sori').trim().split('\n').filter((id) => id !== '');
    } catch {
      return [];
    }
  };
  const program = new URL('../lib/tray.py', import.meta.url).pathname;
  await world.open({
    home: 'tray',
    screen,
    before: [`/usr/bin/python3 '${program}' '${folder}' &`, `for i in $(seq 200); do test -e '${folder}/tray.json' && break; sleep 0.1; done`].join('\n'),
  });
  const { window, test, people, group } = world;

  await test('the icon in the tray says how much is unread, in the language of the window', async () => {
    await window.type('#passphrase', world.passphrase);
    await window.click('[data-testid=unlock]');
    await window.see('[data-testid=conversation]', 30_000);
    const unread = async () => (await window.run(() => globalThis.__TAURI_INTERNALS__.invoke('group_list'))).filter(({ muted }) => !muted).reduce((sum, one) => sum + one.unread, 0);
    await eventually(said, ({ title, menu }) => assert.deepEqual([title, menu], ['Sori', ['Sori 열기', '잠그기', '끝내기']]));
    const before = await unread();
    await people['하루'].ask('message.send', { group, text: '트레이에 보일 말' });
    await eventually(unread, (found) => assert.equal(found, before + 1));
    await eventually(said, ({ text }) => assert.equal(text, `읽지 않은 메시지 ${before + 1}개`));
    copyFileSync(join(folder, 'icon.png'), join(world.shots, '80-tray-icon.png'));
  });

  await test('a window that is closed waits in the tray, and a press brings it back', async () => {
    const [id] = await until('the window on the screen', () => windows().length > 0 && windows());
    x('windowactivate', '--sync', id);
    x('key', 'alt+F4');
    await until('no window on the screen', () => windows().length === 0);
    wanted('press');
    await until('the window on the screen', () => windows().length > 0);
    await window.see('[data-testid=conversation]');
    wanted('잠그기');
    await window.see('#passphrase');
  });
  await world.app.stop();
}
