import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { startAgain } from '../lib/programs.mjs';
import { Key, eventually } from '../lib/webdriver.mjs';

/** One program among others on a desktop. */
export async function citizen(world) {
  const { test, window, shot } = world;

  await test('a second start hands its link to this window and ends', async () => {
    const bus = readFileSync(world.bus, 'utf8');
    const url = 'sori:invite#nothing-real';
    const code = await startAgain({ home: 'minji', profile: world.profile, bus, screen: world.screen, args: [url] });
    assert.equal(code, 0);
    await eventually(() => window.value('#join-url'), (found) => assert.equal(found, url));
    // It proposes; nothing was asked of anybody.
    await window.click('[data-testid=join-ask]');
    await window.seeText('dialog [role=alert]', 'Sori 초대 링크가 아니에요');
    await shot('50-link');
  });

  await test('the QR code in a picture is read, and a picture without one says so', async () => {
    // As if somebody had chosen a file: first an empty picture, then one of a code that this window drew.
    const choose = (drawing) =>
      window.run(async (what) => {
        const text = 'sori:invite#from-a-picture';
        const qr = await globalThis.__TAURI_INTERNALS__.invoke('qr_draw', { text });
        const scale = 6;
        const canvas = Object.assign(document.createElement('canvas'), { width: (qr.size + 8) * scale, height: (qr.size + 8) * scale });
        const context = canvas.getContext('2d');
        context.fillStyle = '#fff';
        context.fillRect(0, 0, canvas.width, canvas.height);
        context.fillStyle = '#13201b';
        context.setTransform(scale, 0, 0, scale, 4 * scale, 4 * scale);
        if (what === 'code') context.fill(new Path2D(qr.path));
        const blob = await new Promise((resolve) => canvas.toBlob(resolve, 'image/png'));
        const chosen = new DataTransfer();
        chosen.items.add(new File([blob], 'code.png', { type: 'image/png' }));
        const input = document.querySelector('[data-testid=qr-file]');
        input.files = chosen.files;
        input.dispatchEvent(new Event('change', { bubbles: true }));
      }, drawing);
    await choose('nothing');
    await window.seeText('dialog [role=alert]', 'QR 코드를 찾지 못했어요');
    await choose('code');
    await eventually(() => window.value('#join-url'), (found) => assert.equal(found, 'sori:invite#from-a-picture'));
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('everything grows and shrinks by keys', async () => {
    const wide = () => window.run(() => window.innerWidth);
    const before = await wide();
    await window.press(Key.Control, '=');
    await window.press(Key.Control, '=');
    await eventually(wide, (found) => assert.ok(found < before - 50, `${found} of ${before}`));
    await window.press(Key.Control, '0');
    await eventually(wide, (found) => assert.equal(found, before));
  });

  await test('at twice the size nothing is cut off', async () => {
    for (let n = 0; n < 10; n += 1) await window.press(Key.Control, '=');
    await eventually(
      () => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('app_start')),
      (start) => assert.equal(start.settings.zoom, 200),
    );
    await eventually(
      () => window.run(() => document.documentElement.scrollWidth <= window.innerWidth && document.querySelector('#send').getBoundingClientRect().right <= window.innerWidth),
      (found) => assert.equal(found, true),
    );
    await shot('51-large');
    await window.press(Key.Control, '0');
    await eventually(
      () => window.run(() => globalThis.__TAURI_INTERNALS__.invoke('app_start')),
      (start) => assert.equal(start.settings.zoom, 100),
    );
  });

  await test('the sheet of keys lists what the window does', async () => {
    await window.press(Key.Control, '/');
    await window.seeText('[data-testid=shortcuts]', '대화 바로 가기');
    await shot('52-shortcuts');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('what can be handed over is said from what is so now', async () => {
    await window.press(Key.Control, ',');
    await window.click('[data-testid=handed-over]');
    await window.seeText('[data-testid=handed-relay]', '지금 127.0.0.1:');
    await window.seeText('[data-testid=handed-device]', '잠금: 암호문구');
    await shot('53-handed-over');
    await window.press(Key.Escape);
    await window.seeText('dialog h2', '설정');
    await shot('54-settings');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });
}
