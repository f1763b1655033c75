import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { display } from '../lib/programs.mjs';
import { Key, eventually, sleep, until } from '../lib/webdriver.mjs';

const NAME = 'a real Hangul input method: the syllable shows while it is composed, and one Enter sends it once';
const needed = ['/usr/bin/ibus-daemon', '/usr/lib/ibus/ibus-engine-hangul', '/usr/libexec/ibus-engine-hangul', '/usr/bin/xdotool', '/usr/bin/openbox', '/usr/bin/Xvfb'];

/** Why the test cannot run here, or nothing. */
function missing() {
  const engine = needed.slice(1, 3).some((path) => existsSync(path));
  const rest = [needed[0], ...needed.slice(3)].filter((path) => !existsSync(path));
  if (!engine) rest.push('ibus-hangul');
  return rest.join(', ');
}

/** Types on a real keyboard layout through ibus-hangul, on a screen of its own with a window manager. */
export async function hangul(world) {
  const lacking = missing();
  if (lacking !== '') return world.skip(NAME, `not installed: ${lacking}`);

  const screen = await display({ managed: true });
  const x = (...args) => execFileSync('/usr/bin/xdotool', args, { encoding: 'utf8', env: { ...process.env, DISPLAY: screen } });
  await world.open({
    home: 'hangul',
    screen,
    env: { GTK_IM_MODULE: 'ibus', XMODIFIERS: '@im=ibus' },
    before: [
      `gsettings set org.freedesktop.ibus.general preload-engines "['hangul']"`,
      'gsettings set org.freedesktop.ibus.engine.hangul initial-input-mode hangul',
      // It ends with its parent, which here is the driver.
      'ibus-daemon --xim --replace &',
      'for i in 1 2 3 4 5 6 7 8 9 10; do sleep 1; ibus engine hangul 2>/dev/null && break; done',
    ].join('\n'),
  });
  const { window, test } = world;

  await test(NAME, async () => {
    await window.type('#passphrase', world.passphrase);
    await window.click('[data-testid=unlock]');
    await window.see('[data-testid=conversation]', 30_000);
    await window.click('[data-testid=conversation]');
    await window.see('#draft');
    await window.see('[data-testid=message]');
    const sent = async () => (await window.texts('[data-testid=message] .text')).filter((text) => text === '한글').length;
    assert.equal(await sent(), 0);
    const id = await until('the window on the screen', () => x('search', '--onlyvisible', '--name', 'Sori').trim().split('\n').at(-1));
    x('windowactivate', '--sync', id);
    const at = await window.run(() => {
      const box = document.querySelector('#draft').getBoundingClientRect();
      return [Math.round(box.x + 80), Math.round(box.y + box.height / 2)];
    });
    await until('the keyboard', async () => {
      x('mousemove', '--window', id, String(at[0]), String(at[1]), 'click', '1');
      await sleep(300);
      return window.run(() => document.hasFocus() && document.activeElement.id === 'draft');
    });
    await sleep(500);
    // The keys of a Korean keyboard for 한글.
    x('type', '--delay', '120', 'gksrmf');
    await until('the last syllable in the line before anything is sent', async () => (await window.value('#draft')) === '한글');
    await world.shot('18-hangul');
    x('key', 'Return');
    await until('the message', async () => (await window.texts('[data-testid=message] .text')).at(-1) === '한글');
    await sleep(800);
    assert.equal(await window.value('#draft'), '');
    assert.equal(await sent(), 1);
  });

  await test('the search field takes composed Hangul as it is typed, and finds it', async () => {
    x('key', 'ctrl+f');
    await until('the field', () => window.run(() => document.activeElement.id === 'search'));
    x('type', '--delay', '120', 'gksrmf');
    await until('both syllables, once', async () => (await window.value('#search')) === '한글');
    await window.see('[data-testid=search-count][data-answered=true]');
    await until('the message', async () => (await window.texts('[data-testid=hit] .text')).join() === '한글');
    x('key', 'Return');
    await until('the first result', () => window.run(() => document.activeElement.dataset.testid === 'hit'));
    await eventually(() => window.value('#search'), (found) => assert.equal(found, '한글'));
  });

  await test('a syllable that is composed is kept once when somebody opens the emoji', async () => {
    await window.fill('#search', '');
    await window.see('[data-testid=conversation]');
    const id = x('search', '--onlyvisible', '--name', 'Sori').trim().split('\n').at(-1);
    /** Clicks with the real pointer in the middle of what `find` answers inside the page. */
    const click = async (find) => {
      const [left, top] = await window.run(`() => { const box = (${find})().getBoundingClientRect(); return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)]; }`);
      x('mousemove', '--window', id, String(left), String(top), 'click', '1');
    };
    const draft = () => window.value('#draft');
    const focused = (which) => until(`the focus on ${which}`, () => window.run((wanted) => document.hasFocus() && document.activeElement.id === wanted, which));
    await click(`() => document.querySelector('#draft')`);
    await focused('draft');
    x('type', '--delay', '120', 'gks');
    await eventually(draft, (found) => assert.equal(found, '한'));
    await click(`() => document.querySelector('[data-testid=emoji-button]')`);
    await window.see('[data-testid=emoji-picker]');
    await eventually(draft, (found) => assert.equal(found, '한'));
    await click(`() => document.querySelector('[data-testid=emoji-button]')`);
    await window.gone('[data-testid=emoji-picker]');
    await click(`() => document.querySelector('#draft')`);
    await focused('draft');
    x('key', 'End');
    x('type', '--delay', '120', 'rm');
    await eventually(draft, (found) => assert.equal(found, '한그'));
    // Ends the syllable: a field that is emptied meanwhile would leave it to the next one.
    x('key', 'End');
    await window.fill('#draft', '');
  });

  await test('a syllable that is composed is kept once in every field that is left by a press elsewhere', async () => {
    const id = x('search', '--onlyvisible', '--name', 'Sori').trim().split('\n').at(-1);
    const click = async (css) => {
      const [left, top] = await window.run((wanted) => {
        const box = document.querySelector(wanted).getBoundingClientRect();
        return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
      }, css);
      x('mousemove', '--window', id, String(left), String(top), 'click', '1');
    };
    const focused = (css) => until(`the focus on ${css}`, () => window.run((wanted) => document.hasFocus() && document.activeElement === document.querySelector(wanted), css));
    const composed = async (css, away) => {
      await window.see(css);
      await click(css);
      await focused(css);
      x('type', '--delay', '120', 'gksrmf');
      await eventually(() => window.value(css), (found) => assert.equal(found, '한글', css));
      await click(away);
      await until(`another focus than ${css}`, () => window.run((wanted) => document.activeElement !== document.querySelector(wanted), css));
      // What is left of the syllable would come with the next key at the latest.
      await eventually(() => window.value(css), (found) => assert.equal(found, '한글', css));
    };
    const closed = async () => {
      await window.press(Key.Escape);
      await window.gone('dialog[open]');
    };
    await window.fill('#search', '');
    await composed('#search', '[data-testid=conversation-title]');
    await window.fill('#search', '');
    await window.see('[data-testid=conversation]');
    await composed('#draft', '[data-testid=conversation-title]');
    await window.fill('#draft', '');
    await window.press(Key.Control, 'k');
    await composed('[data-testid=pick-find]', 'dialog h2');
    await closed();
    await window.press(Key.Control, 'n');
    await composed('dialog input', 'dialog h2');
    await closed();
    await window.click('[data-testid=emoji-button]');
    await composed('[data-testid=emoji-find]', '[data-testid=conversation-title]');
    await window.click('[data-testid=emoji-button]');
    await window.gone('[data-testid=emoji-picker]');
  });
  await world.app.stop();
}
