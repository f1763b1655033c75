import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Sound, place } from '../lib/programs.mjs';
import { faults } from './accessibility.mjs';
import { Key, eventually, until } from '../lib/webdriver.mjs';

/** Where the samples begin, and how many are in a block of how many bytes: IMA ADPCM, as the window makes it. */
const [HEAD, BLOCK, BLOCK_SAMPLES, RATE] = [60, 256, 505, 16_000];
const STEPS = [
  7, 8, 9, 10, 11, 12, 13, 14, 16, 17, 19, 21, 23, 25, 28, 31, 34, 37, 41, 45, 50, 55, 60, 66, 73, 80, 88,
  97, 107, 118, 130, 143, 157, 173, 190, 209, 230, 253, 279, 307, 337, 371, 408, 449, 494, 544, 598, 658,
  724, 796, 876, 963, 1060, 1166, 1282, 1411, 1552, 1707, 1878, 2066, 2272, 2499, 2749, 3024, 3327, 3660,
  4026, 4428, 4871, 5358, 5894, 6484, 7132, 7845, 8630, 9493, 10442, 11487, 12635, 13899, 15289, 16818,
  18500, 20350, 22385, 24623, 27086, 29794, 32767,
];
const bubble = '[data-testid=voice]';

/** How often the first sample of a block and its codes change their direction tells the tone: its frequency in Hz. */
function tone(bytes) {
  const samples = [];
  for (let at = HEAD; at + BLOCK <= bytes.length; at += BLOCK) {
    let [sample, index] = [bytes.readInt16LE(at), bytes[at + 2]];
    samples.push(sample);
    for (let n = 4; n < BLOCK; n += 1) {
      for (const code of [bytes[at + n] & 15, bytes[at + n] >> 4]) {
        const step = STEPS[index];
        const way = (step >> 3) + (code & 4 ? step : 0) + (code & 2 ? step >> 1 : 0) + (code & 1 ? step >> 2 : 0);
        sample = Math.max(-32_768, Math.min(32_767, sample + (code & 8 ? -way : way)));
        index = Math.max(0, Math.min(88, index + [-1, -1, -1, -1, 2, 4, 6, 8][code & 7]));
        samples.push(sample);
      }
    }
  }
  const middle = samples.slice(RATE / 2, RATE * 1.5);
  const up = middle.filter((sample, n) => n > 0 && middle[n - 1] < 0 && sample >= 0).length;
  return (up * RATE) / middle.length;
}

/** Voice messages, with a microphone that hears a tone; and what a group's owner decides about files and times. */
export async function voice(world) {
  if (!existsSync('/usr/bin/pulseaudio')) return world.skip('voice messages', 'pulseaudio is not installed');
  const sound = new Sound();
  await world.open({ home: 'voice', env: sound.env() });
  const { test, window, people, shot, group } = world;
  const { 서준: seojun } = people;
  const list = async () => (await seojun.ask('message.list', { group, limit: 20 })).messages;
  const voices = async () => (await list()).filter((one) => one.file?.media_type === 'audio/wav');
  /** Writes and sends; a press on Enter while something else is on its way does nothing, so it is pressed until it is sent. */
  const say = async (text) => {
    await window.type('#draft', text);
    await eventually(async () => {
      await window.press(Key.Enter);
      return window.value('#draft');
    }, (found) => assert.equal(found, ''));
  };
  const seconds = async () => Number((await window.text('[data-testid=voice-time]')).split(':')[1]);

  await test('without a microphone the window says so', async () => {
    await window.type('#passphrase', world.passphrase);
    await window.click('[data-testid=unlock]');
    await window.seeText('[data-testid=conversation]', '북한산 산행', 30_000);
    await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('북한산 산행')).click());
    await window.see('[data-testid=messages][data-settled=true]');
    await window.click('[data-testid=voice-record]');
    await window.seeText('[data-testid=toast]', '마이크를 찾을 수 없어요');
    assert.equal(await window.count('[data-testid=recording]'), 0);
  });

  await test('what is said is recorded, sent, and heard at the other side', async () => {
    await sound.start();
    await window.click('[data-testid=voice-record]');
    await window.see('[data-testid=recording]');
    await eventually(seconds, (found) => assert.ok(found >= 2), 30_000);
    await shot('70-recording');
    assert.deepEqual(await faults(window), []);
    await window.click('[data-testid=voice-send]');
    await window.gone('[data-testid=recording]');
    await window.see(`${bubble}[data-ready=true]`);
    const message = await until('the voice message at the other side', async () => (await voices()).find((one) => one.file.state === 'here'), 30_000);
    const path = join(place('files'), 'voice.wav');
    await seojun.ask('file.save', { group, id: message.id, path, replace: true });
    const bytes = readFileSync(path);
    assert.equal(bytes.subarray(0, 4).toString('latin1'), 'RIFF');
    const count = bytes.readUInt32LE(48);
    assert.ok(count >= 2 * RATE, `${count} samples`);
    // Nothing but sound: the head, and blocks of samples.
    assert.equal(bytes.length, HEAD + Math.ceil(count / BLOCK_SAMPLES) * BLOCK);
    const heard = tone(bytes);
    assert.ok(Math.abs(heard - 440) < 10, `${heard} Hz`);
    await window.seeText('[data-testid=conversation]', '음성 메시지');
    await shot('71-voice');
  });

  await test('it is played, paused where it is, and played to its end', async () => {
    const said = async () => (await window.texts('[data-testid=voice-length]')).at(-1);
    const playing = () => window.run((css) => [...document.querySelectorAll(css)].at(-1).dataset.playing, bubble);
    const press = () => window.run((css) => [...document.querySelectorAll(`${css} [data-testid=voice-play]`)].at(-1).click(), bubble);
    const length = await said();
    await press();
    await eventually(said, (found) => assert.equal(found, '0:01'));
    await press();
    await eventually(playing, (found) => assert.equal(found, 'false'));
    assert.notEqual(await said(), length);
    await press();
    await eventually(playing, (found) => assert.equal(found, 'true'));
    await eventually(playing, (found) => assert.equal(found, 'false'), 30_000);
    await eventually(said, (found) => assert.equal(found, length));
  });

  await test('Escape throws a recording away', async () => {
    const before = (await voices()).length;
    await window.click('[data-testid=voice-record]');
    await eventually(seconds, (found) => assert.ok(found >= 1), 30_000);
    await window.press(Key.Escape);
    await window.gone('[data-testid=recording]');
    await window.see('#draft');
    // What is said next comes, and the recording does not.
    await say('잘못 눌렀어요');
    await seojun.message(group, '잘못 눌렀어요');
    assert.equal((await voices()).length, before);
  });

  await test('one message alone disappears after a time', async () => {
    await window.click('[data-testid=message-timer]');
    await window.see('[role=menu]');
    await shot('72-message-timer');
    await window.run(() => [...document.querySelectorAll('[role=menuitem]')].find((item) => item.textContent.includes('1시간')).click());
    await say('한 시간만 볼 수 있어요');
    const gone = await seojun.message(group, '한 시간만 볼 수 있어요');
    assert.ok(Math.abs(gone.expires_at - gone.sent_at - 3_600_000) <= 61_000);
    await say('이건 남아요');
    assert.equal((await seojun.message(group, '이건 남아요')).expires_at, null);
  });

  await test('the owner decides for all how long files may be, and when messages disappear', async () => {
    await window.click('[data-testid=members]');
    await window.see('[data-testid=file-limit-0]');
    assert.deepEqual(await faults(window), []);
    await window.click('[data-testid=file-limit-0]');
    await window.seeText('[data-testid=notice]', '파일을 보낼 수 없게 했어요');
    await window.gone('[data-testid=voice-record]');
    await shot('73-group-settings');
    const info = () => seojun.ask('group.info', { group });
    await eventually(info, (found) => assert.equal(found.file_limit, 0), 30_000);
    await assert.rejects(seojun.ask('message.send_file', { group, path: join(place('files'), 'voice.wav') }));
    await window.click('[data-testid=file-limit-16777216]');
    await window.see('[data-testid=voice-record]');
    await window.click('[data-testid=group-timer-86400]');
    await window.seeText('[data-testid=group-timer-on]', '1일');
    await eventually(info, (found) => assert.equal(found.timer_s, 86_400), 30_000);
    await window.click('[data-testid=members]');
    await say('내일이면 없어요');
    const gone = await seojun.message(group, '내일이면 없어요');
    assert.ok(Math.abs(gone.expires_at - gone.sent_at - 86_400_000) <= 61_000);
    await window.click('[data-testid=members]');
    await window.click('[data-testid=group-timer-0]');
    await window.gone('[data-testid=group-timer-on]');
    await eventually(info, (found) => assert.equal(found.timer_s, null), 30_000);
    await window.click('[data-testid=members]');
  });

  await test('voice messages in English, in the dark', async () => {
    await window.press(Key.Control, ',');
    await window.click('[data-testid=theme-dark]');
    await window.click('[data-testid=language-en]');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await window.click('[data-testid=voice-record]');
    await eventually(seconds, (found) => assert.ok(found >= 1), 30_000);
    await shot('74-english-dark');
    assert.deepEqual(await faults(window), []);
    await window.click('[data-testid=voice-cancel]');
    await window.gone('[data-testid=recording]');
    await window.press(Key.Control, ',');
    await window.click('[data-testid=theme-light]');
    await window.click('[data-testid=language-ko]');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });
  await world.app.stop();
  await sound.stop();
}
