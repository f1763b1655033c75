import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { png } from '../lib/png.mjs';
import { Person, display, end, hand, place } from '../lib/programs.mjs';
import { faults } from './accessibility.mjs';
import { Key, eventually, until } from '../lib/webdriver.mjs';

const needed = ['/usr/bin/python3', '/usr/bin/xdotool', '/usr/bin/openbox', '/usr/bin/Xvfb'];
const bubble = '[data-testid=message] .text';
/** More than is fetched without being asked for. */
const LONG = 9 * 1024 * 1024;

/** Mountains under a sky. */
function mountains(x, y) {
  const hill = y > 150 + 40 * Math.sin(x / 60) + 14 * Math.sin(x / 17);
  return hill ? [50, 90 + (y >> 2), 70] : [120 + (y >> 2), 170 + (y >> 3), 225];
}

/** Files: pictures and others, sent and received, with the system's own dialogs. */
export async function attachments(world) {
  const lacking = needed.filter((path) => !existsSync(path));
  if (lacking.length > 0) return world.skip('files in messages', `not installed: ${lacking.join(', ')}`);

  const screen = await display({ managed: true });
  const x = (...args) => execFileSync('/usr/bin/xdotool', args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env: { ...process.env, DISPLAY: screen } });
  await world.open({ home: 'attachments', screen });
  const { test, window, people, shot, group } = world;
  const { 서준: seojun, 하루: haru } = people;
  const folder = place('files');
  const write = (name, bytes) => {
    const path = join(folder, name);
    writeFileSync(path, bytes);
    return path;
  };
  const told = 'SECRET-PLACE 37.6584 126.9770';
  const photo = write('baegundae.png', png(640, 360, mountains, told));

  const shown = (title) => {
    try {
      return x('search', '--onlyvisible', '--name', title).trim().split('\n').at(-1);
    } catch {
      return '';
    }
  };
  /** Types the path into the system's dialog of this title, and again if not all of it arrived. */
  const dialog = async (title, path) => {
    await until(`the dialog "${title}"`, () => shown(title));
    await until(`no dialog "${title}"`, async () => {
      const id = shown(title);
      if (id === '') return true;
      x('windowactivate', '--sync', id);
      x('key', 'ctrl+a');
      x('type', '--delay', '30', path);
      x('key', 'Return');
      return until('its end', () => shown(title) === '', 3_000).catch(() => false);
    }, 45_000);
  };
  const chooseFile = async (path, title = '보낼 파일 고르기') => {
    await window.click('[data-testid=attach]');
    await dialog(title, path);
  };
  const invoke = (command, args) => window.run((...call) => globalThis.__TAURI_INTERNALS__.invoke(...call), command, args);
  /** Somebody else, who is let in. */
  const newcomer = async (name) => {
    const person = await Person.start(name, world.relay.url);
    const { url } = await invoke('invite_create', { options: { group, uses: 1, expires_s: 3600 } });
    await person.ask('invite.accept', { url });
    const join = await until('the request', async () => (await invoke('join_list', {})).find((one) => one.name === name && one.state === 'waiting'));
    await invoke('join_approve', { id: join.id });
    await until('the group at the other side', async () => (await person.ask('group.list')).groups.some((known) => known.group === group));
    return person;
  };
  const list = async (person) => (await person.ask('message.list', { group, limit: 20 })).messages;
  const state = (name) =>
    window.run((wanted) => [...document.querySelectorAll('[data-testid=file]')].find((file) => file.textContent.includes(wanted))?.dataset.state, name);
  const press = (name, button) =>
    window.run(
      (wanted, which) => [...document.querySelectorAll('[data-testid=file]')].find((file) => file.textContent.includes(wanted)).querySelector(`[data-testid=${which}]`).click(),
      name,
      button,
    );

  await test('a picture that somebody sends is drawn, and shown large', async () => {
    await window.type('#passphrase', world.passphrase);
    await window.click('[data-testid=unlock]');
    await window.seeText('[data-testid=conversation]', '북한산 산행', 30_000);
    await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('북한산 산행')).click());
    await window.see('[data-testid=messages][data-settled=true]');
    await seojun.ask('message.send_file', { group, path: photo, text: '지난주 백운대예요' });
    await window.seeText(bubble, '지난주 백운대예요');
    await window.see('[data-testid=picture] canvas[data-drawn=true]', 30_000);
    // The sky is where it was drawn, and blue.
    const sky = await window.run(() => {
      const canvas = document.querySelector('[data-testid=picture] canvas');
      return [canvas.width, canvas.height, ...canvas.getContext('2d').getImageData(5, 5, 1, 1).data];
    });
    assert.ok(sky[0] === 600 && Math.abs(sky[1] - 337.5) < 1, `${sky}`);
    assert.ok(sky[4] > 200 && sky[2] < 140, `${sky}`);
    await window.seeText('[data-testid=conversation]', '사진 지난주 백운대예요');
    await shot('60-picture');
    await window.click('[data-testid=picture]');
    await window.see('[data-testid=picture-view] canvas[data-drawn=true]');
    await shot('61-picture-large');
    assert.deepEqual(await faults(window), []);
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('a picture is chosen in the system’s dialog and sent without what is written in it', async () => {
    await chooseFile(photo);
    await window.see('[data-testid=chosen-file] canvas[data-drawn=true]');
    await window.seeText('[data-testid=chosen]', '찍은 곳, 시각, 기기 정보를 지우고 보내요');
    await window.type('#draft', '저도 올려요');
    await shot('62-chosen');
    assert.deepEqual(await faults(window), []);
    await window.press(Key.Enter);
    await window.gone('[data-testid=chosen]');
    await until('an empty composer', async () => (await window.value('#draft')) === '');
    const message = await until('the picture at the other side', async () => (await list(haru)).find((one) => one.text === '저도 올려요' && one.file?.state === 'here'));
    assert.equal(message.file.name, 'baegundae.png');
    const saved = join(folder, 'from-window.png');
    await haru.ask('file.save', { group, id: message.id, path: saved });
    const bytes = readFileSync(saved);
    assert.equal(bytes.subarray(1, 4).toString(), 'PNG');
    assert.equal(bytes.includes('SECRET-PLACE'), false);
  });

  await test('as it is, a picture goes with all that is in it, and Escape leaves files out', async () => {
    await chooseFile(photo);
    await window.see('[data-testid=chosen-file]');
    await window.click('#draft');
    await window.press(Key.Escape);
    await window.gone('[data-testid=chosen]');
    await chooseFile(photo);
    await window.click('[data-testid=as-they-are]');
    await window.seeText('[data-testid=chosen]', '카메라가 사진에 적어 둔 정보');
    await window.click('#send');
    await window.gone('[data-testid=chosen]');
    const message = await until('the file at the other side', async () => (await list(haru)).find((one) => one.text === '' && one.file?.state === 'here'));
    const saved = join(folder, 'as-it-is.png');
    await haru.ask('file.save', { group, id: message.id, path: saved });
    assert.deepEqual(readFileSync(saved), readFileSync(photo));
  });

  await test('a file that answers a message says which', async () => {
    const asked = await haru.ask('message.send', { group, text: '지도도 있어요?' });
    await window.seeText(bubble, '지도도 있어요?');
    await window.run((id) => document.querySelector(`[data-message="${id}"] [data-testid=tool-reply]`).click(), asked.id);
    await window.seeText('.mode', '하루 님에게 답장');
    await chooseFile(write('map.txt', '백운대'));
    await window.seeText('[data-testid=chosen]', 'map.txt');
    await window.press(Key.Enter);
    await window.gone('[data-testid=chosen]');
    const message = await until('the answer at the other side', async () => (await list(haru)).find((one) => one.file?.name === 'map.txt'));
    assert.deepEqual([message.in_reply_to, message.text], [asked.id, '']);
  });

  await test('a file is dragged onto the window from another program', async () => {
    const other = await hand('drag', write('끌어온 파일.txt', '끌어서 보냈어요'), screen);
    try {
      await eventually(async () => {
        const { x: left, y: top } = Object.fromEntries(x('getwindowgeometry', '--shell', x('search', '--onlyvisible', '--name', '^손$').trim().split('\n').at(-1)).toLowerCase().split('\n').map((line) => line.split('=')));
        x('mousemove', String(Number(left) + 50), String(Number(top) + 30), 'mousedown', '1');
        // As a hand does it: the system asks each window on the way whether it wants what is dragged.
        for (const [across, down] of [[1150, 830], [1100, 780], [1000, 700], [900, 600], [800, 500], [760, 460], [750, 450]]) x('mousemove', '--sync', String(across), String(down), 'sleep', '0.05');
        await until('the place to drop it', () => window.count('[data-testid=drop]'), 8_000).finally(() => x('mouseup', '1'));
      }, () => undefined);
      await window.seeText('[data-testid=chosen]', '끌어온 파일.txt');
      await window.gone('[data-testid=drop]');
      await shot('67-dropped');
    } finally {
      await end(other);
    }
    await window.click('#draft');
    await window.press(Key.Enter);
    await window.gone('[data-testid=chosen]');
    await until('the file at the other side', async () => (await list(haru)).find((one) => one.file?.name === '끌어온 파일.txt' && one.file.state === 'here'));
  });

  await test('a file and a picture that were copied in another program are pasted, and no path is', async () => {
    const id = shown('Sori');
    x('windowactivate', '--sync', id);
    for (const [way, path, seen, name] of [
      ['copy', write('복사한 파일.txt', '복사해서 보냈어요'), () => window.seeText('[data-testid=chosen]', '복사한 파일.txt'), /^복사한 파일\.txt$/],
      ['copy-picture', photo, () => window.see('[data-testid=chosen-file] canvas[data-drawn=true]'), /^picture\.(png|jpg|webp)$/],
    ]) {
      const other = await hand(way, path, screen);
      try {
        await window.click('#draft');
        await until('the keyboard', () => window.run(() => document.hasFocus() && document.activeElement.id === 'draft'));
        x('key', 'ctrl+v');
        await seen();
      } finally {
        await end(other);
      }
      assert.equal(await window.value('#draft'), '');
      await window.press(Key.Enter);
      await window.gone('[data-testid=chosen]');
      await until('the file at the other side', async () => (await list(haru)).find((one) => name.test(one.file?.name) && one.file.state === 'here'));
    }
  });

  await test('a group gets a picture, which everybody sees, and loses it', async () => {
    const name = async (person) => (await person.ask('group.info', { group })).avatar;
    await window.click('[data-testid=members]');
    await window.click('[data-testid=group-picture]');
    await window.click('[data-testid=menu-picture-choose]');
    await dialog('보낼 파일 고르기', photo);
    await window.see('header [data-testid=face][data-drawn]', 20_000);
    await window.seeText('[data-testid=notice]', '그룹 사진을 바꿨어요');
    const shownName = await window.run(() => document.querySelector('header [data-testid=face]').dataset.drawn);
    await until('the picture at the other side', async () => (await name(haru)) === shownName, 30_000);
    const saved = join(folder, 'group-picture.jpg');
    await haru.ask('group.avatar_save', { group, path: saved });
    const bytes = readFileSync(saved);
    assert.deepEqual([bytes[0], bytes[1], bytes.includes('SECRET-PLACE')], [0xff, 0xd8, false]);
    await window.see(`[data-testid=conversation][data-group="${group}"] [data-testid=face][data-drawn]`);
    await shot('68-group-picture');
    await window.click('[data-testid=group-picture]');
    await window.click('[data-testid=menu-picture-remove]');
    await window.gone('header [data-testid=face]');
    await until('no picture at the other side', async () => (await name(haru)) === null);
    await window.click('[data-testid=members]');
  });

  await test('a file comes by itself and is written where the person says', async () => {
    const bytes = Buffer.alloc(300_000, (n) => n);
    for (let at = 0; at < bytes.length; at += 1) bytes[at] = (at * 31) % 251;
    await haru.ask('message.send_file', { group, path: write('산행 계획.txt', bytes) });
    await eventually(() => state('산행 계획.txt'), (found) => assert.equal(found, 'here'), 30_000);
    await shot('63-file');
    await press('산행 계획.txt', 'file-save');
    const saved = join(folder, 'saved-here.txt');
    await dialog('파일 저장', saved);
    await window.seeText('[data-testid=toast]', '이 사본은 잠겨 있지 않고');
    await shot('64-saved');
    assert.deepEqual(readFileSync(saved), bytes);
  });

  await test('a long file waits to be asked for, says how far it is, and waits for somebody who has it', async () => {
    const long = write('long.bin', Buffer.alloc(LONG, 7));
    const sender = await newcomer('도윤');
    await sender.ask('message.send_file', { group, path: long });
    await eventually(() => state('long.bin'), (found) => assert.equal(found, 'stopped'), 30_000);
    await window.run(() => {
      globalThis.seen = [];
      const look = () => {
        const bar = [...document.querySelectorAll('[data-testid=file]')].find((file) => file.textContent.includes('long.bin'))?.querySelector('progress');
        if (bar) globalThis.seen.push(bar.value);
      };
      new MutationObserver(look).observe(document.querySelector('.scroller'), { subtree: true, childList: true, attributes: true, characterData: true });
    });
    await press('long.bin', 'file-fetch');
    await eventually(() => state('long.bin'), (found) => assert.equal(found, 'here'), 60_000);
    const seen = await window.run(() => globalThis.seen);
    assert.ok(seen.some((have) => have > 0 && have < LONG), `${seen}`);
    // Another one, whose sender goes before anybody has it.
    await sender.ask('message.send_file', { group, path: write('gone.bin', Buffer.alloc(LONG, 8)) });
    await eventually(() => state('gone.bin'), (found) => assert.equal(found, 'stopped'), 30_000);
    await sender.end();
    await press('gone.bin', 'file-fetch');
    await window.seeText('[data-testid=file-state]', '가진 사람이 지금 온라인이 아니에요');
    await shot('65-waiting');
    await press('gone.bin', 'file-stop');
    await eventually(() => state('gone.bin'), (found) => assert.equal(found, 'stopped'));
  });

  await test('the same in English, in the dark', async () => {
    await window.press(Key.Control, ',');
    await window.click('[data-testid=theme-dark]');
    await window.click('[data-testid=language-en]');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await chooseFile(photo, 'Choose files to send');
    await window.see('[data-testid=chosen-file] canvas[data-drawn=true]');
    await window.seeText('[data-testid=file]', 'not here yet');
    // What was wanted of other pictures does not hold for these.
    await window.seeText('[data-testid=chosen]', 'is removed first');
    await shot('66-english-dark');
    assert.deepEqual(await faults(window), []);
    await window.click('[data-testid=chosen-leave]');
    await window.gone('[data-testid=chosen]');
    await window.press(Key.Control, ',');
    await window.click('[data-testid=theme-light]');
    await window.click('[data-testid=language-ko]');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });
  await world.app.stop();
}
