import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { display } from '../lib/programs.mjs';
import { Key, eventually, sleep, until } from '../lib/webdriver.mjs';

const NAME = 'a real Hangul input method: the syllable shows while it is composed, and one Enter sends it once';
/** How long a pointer rests before it presses; by then the page knows where it is. */
const REST_MS = 400;
/** What an input method says late has been said by then. */
const LATE_MS = 300;
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

  const id = x('search', '--onlyvisible', '--name', 'Sori').trim().split('\n').at(-1);
  /** Presses in the middle of an element. A pointer that rests there before is the harder case: the press is told at once. */
  const press = async (css, resting = true) => {
    const [left, top] = await window.run((wanted) => {
      const box = document.querySelector(wanted).getBoundingClientRect();
      return [Math.round(box.x + box.width / 2), Math.round(box.y + box.height / 2)];
    }, css);
    x('mousemove', '--window', id, String(left), String(top));
    if (resting) await sleep(REST_MS);
    x('click', '1');
  };
  const focused = (css) => until(`the focus on ${css}`, () => window.run((wanted) => document.hasFocus() && document.activeElement === document.querySelector(wanted), css));
  /** A field holds this, also after whatever the input method still says. */
  const holds = async (css, wanted) => {
    await eventually(() => window.value(css), (found) => assert.equal(found, wanted, css));
    await sleep(LATE_MS);
    assert.equal(await window.value(css), wanted, css);
  };
  /** Ends what is composed in the field that has the focus, and empties it. What the key brings may be late. */
  const emptied = async (css) => {
    x('key', 'End');
    await until(`nothing in ${css}`, async () => {
      await window.fill(css, '');
      await sleep(LATE_MS);
      return (await window.value(css)) === '';
    });
  };
  /** Writes into a field; its last syllable is still being composed. */
  const compose = async (css, keys, wanted) => {
    await window.see(css);
    await press(css);
    await focused(css);
    // The field may have had the focus before: the press has to be over when the first key comes.
    await sleep(LATE_MS);
    x('type', '--delay', '120', keys);
    await eventually(() => window.value(css), (found) => assert.equal(found, wanted, css));
  };

  await test('a syllable that is composed is kept once when somebody opens the emoji', async () => {
    await window.fill('#search', '');
    await window.see('[data-testid=conversation]');
    await compose('#draft', 'gks', '한');
    await press('[data-testid=emoji-button]');
    await focused('[data-testid=emoji-find]');
    await holds('#draft', '한');
    assert.equal(await window.value('[data-testid=emoji-find]'), '');
    await press('[data-testid=emoji-button]');
    await window.gone('[data-testid=emoji-picker]');
    await press('#draft');
    await focused('#draft');
    x('key', 'End');
    x('type', '--delay', '120', 'rm');
    await eventually(() => window.value('#draft'), (found) => assert.equal(found, '한그'));
    await emptied('#draft');
  });

  for (const [way, resting] of [['rests there', true], ['just came', false]]) {
    await test(`a syllable that is composed is kept once in every field that is left by a press elsewhere: the pointer ${way}`, async () => {
      const left = async (css, away) => {
        await compose(css, 'gksrmf', '한글');
        await press(away, resting);
        await until(`another focus than ${css}`, () => window.run((wanted) => document.activeElement !== document.querySelector(wanted), css));
        await holds(css, '한글');
      };
      const closed = async () => {
        await window.press(Key.Escape);
        await window.gone('dialog[open]');
      };
      await window.fill('#search', '');
      await left('#search', '[data-testid=conversation-title]');
      await window.fill('#search', '');
      await window.see('[data-testid=conversation]');
      await left('#draft', '[data-testid=conversation-title]');
      await window.fill('#draft', '');
      await window.press(Key.Control, 'k');
      await left('[data-testid=pick-find]', 'dialog h2');
      await closed();
      await window.press(Key.Control, 'n');
      await left('dialog input', 'dialog h2');
      await closed();
      await window.click('[data-testid=emoji-button]');
      await left('[data-testid=emoji-find]', '[data-testid=conversation-title]');
      await window.click('[data-testid=emoji-button]');
      await window.gone('[data-testid=emoji-picker]');
    });
  }

  await test('a syllable that is composed goes into no other field', async () => {
    await compose('#draft', 'gks', '한');
    await press('#search');
    await focused('#search');
    await holds('#draft', '한');
    assert.equal(await window.value('#search'), '');
    // And the field that was pressed takes what is written there, also the same syllable.
    x('type', '--delay', '120', 'gks');
    await eventually(() => window.value('#search'), (found) => assert.equal(found, '한'));
    await emptied('#search');
    await window.fill('#draft', '');
    await window.see('[data-testid=conversation]');
  });

  await test('a press in the same field keeps the syllable where it is composed', async () => {
    await window.fill('#draft', '가나다라마바사아자차카타파하');
    await press('#draft');
    await focused('#draft');
    x('key', 'Home');
    x('type', '--delay', '120', 'gks');
    await eventually(() => window.value('#draft'), (found) => assert.equal(found.slice(0, 2), '한가'));
    await press('#draft');
    await holds('#draft', '한가나다라마바사아자차카타파하');
    await window.fill('#draft', '');
  });

  await test('the button to send takes the syllable that is composed, once', async () => {
    await compose('#draft', 'tkfkd', '사랑');
    await press('#send');
    await until('the message', async () => (await window.texts('[data-testid=message] .text')).at(-1) === '사랑');
    await focused('#draft');
    await holds('#draft', '');
    assert.equal((await window.texts('[data-testid=message] .text')).filter((text) => text === '사랑').length, 1);
  });

  await test('another conversation in mid-syllable: the draft is kept, and the other one gets nothing', async () => {
    const row = (which) => window.run((open) => {
      const rows = [...document.querySelectorAll('[data-testid=conversation]')];
      const found = rows.find((one) => (one.getAttribute('aria-current') === 'true') === open);
      return `[data-group="${found.dataset.group}"]`;
    }, which);
    const [here, there] = [await row(true), await row(false)];
    const opened = (css) => until(`${css} open`, () => window.run((wanted) => document.querySelector(wanted).getAttribute('aria-current') === 'true', css));
    for (const go of [() => press(there), () => press(there, false)]) {
      await compose('#draft', 'gks', '한');
      await go();
      await opened(there);
      await holds('#draft', '');
      await press(here);
      await opened(here);
      await holds('#draft', '한');
      await window.fill('#draft', '');
    }
  });
  await world.app.stop();
}
