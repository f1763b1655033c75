import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { place, target } from '../lib/programs.mjs';

const problem = '#unlock-problem';

/** The offset of the version in a header, and of the digest at its end. */
const VERSION_AT = 8;
const HEADER_LEN = 512;
const DIGEST_LEN = 32;

/** The slot file: 128 cells of 128 bytes, twice, in each block. Where the cells of some later records lie. */
const CELL_LEN = 128;
const COPY_LEN = 128 * CELL_LEN;
const CELLS = { from: 40, to: 60 };

/** Damages both copies of some keys. */
function damage(store) {
  const name = readdirSync(store).find((found) => found.startsWith('slots.'));
  const bytes = readFileSync(join(store, name));
  for (const start of [0, COPY_LEN]) bytes.fill(0xa5, start + CELLS.from * CELL_LEN, start + CELLS.to * CELL_LEN);
  writeFileSync(join(store, name), bytes);
}

/** Profiles that do not open, and those that do not go on from where they were left. */
export async function opening(world) {
  const { test, profile, passphrase } = world;
  const copy = (name) => {
    const folder = join(place('copies'), name);
    rmSync(folder, { recursive: true, force: true });
    cpSync(profile, folder, { recursive: true });
    return folder;
  };
  const unlock = async (folder, passphrase_ = passphrase) => {
    await world.open({ profile: folder });
    await world.window.type('#passphrase', passphrase_);
    await world.window.click('[data-testid=unlock]');
  };
  const english = async () => {
    await world.window.click('[data-testid=language-en]');
  };

  await test('a profile of a newer version says so, and nothing of it changes', async () => {
    const folder = copy('newer');
    for (const name of ['header-a', 'header-b']) {
      const header = readFileSync(join(folder, 'store', 'store', name));
      assert.equal(header.length, HEADER_LEN);
      header.writeUInt16BE(99, VERSION_AT);
      createHash('sha256').update(header.subarray(0, HEADER_LEN - DIGEST_LEN)).digest().copy(header, HEADER_LEN - DIGEST_LEN);
      writeFileSync(join(folder, 'store', 'store', name), header);
    }
    await unlock(folder);
    await world.window.seeText(problem, '더 새로운 버전의 Sori', 30_000);
    await world.shot('40-newer');
    await world.app.stop();
  });

  await test('files that have grown are written anew with the progress in words', async () => {
    const folder = copy('grown');
    writeFileSync(join(folder, 'store', 'store', 'rebuild-due'), '');
    await world.open({ profile: folder });
    const { window } = world;
    await window.type('#passphrase', passphrase);
    // It is over in no time for a profile this small.
    await window.run(() => {
      globalThis.seen = [];
      new MutationObserver(() => {
        const said = document.querySelector('[data-testid=progress]')?.textContent;
        if (said !== undefined) globalThis.seen.push(said);
      }).observe(document.body, { childList: true, subtree: true, characterData: true });
    });
    await window.click('[data-testid=unlock]');
    await window.see('[data-testid=conversation]', 30_000);
    const seen = await window.run(() => globalThis.seen);
    assert.ok(seen.some((said) => said.includes('저장된 파일을 새로 쓰는 중이에요')), seen.join(' | '));
    assert.equal(existsSync(join(folder, 'store', 'store', 'rebuild-due')), false);
    await world.app.stop();
  });

  await test('an older copy is noticed and explained, and its groups are entered anew', async () => {
    // The copy of the test before has gone on; this one is from before.
    const folder = copy('grown');
    await unlock(folder);
    const { window } = world;
    await window.see('[data-testid=origin][data-origin=older_copy]', 30_000);
    await window.seeText('dialog h2', '옛 사본이 열렸어요');
    await world.shot('41-older-copy');
    await window.click('[data-testid=origin-close]');
    await window.gone('dialog[open]');
    await window.see('[data-testid=conversation]');
    await world.app.stop();
  });

  await test('a damaged profile names the command that saves what can be read, and that works', async () => {
    const folder = copy('damaged');
    damage(join(folder, 'store', 'store'));
    await unlock(folder);
    const { window } = world;
    await window.seeText(problem, '저장된 파일이 손상됐어요', 30_000);
    await world.shot('42-damaged');
    const command = await window.text(`${problem} code`);
    await english();
    await window.seeText(problem, 'The stored files are damaged');
    await world.shot('43-damaged-english');
    await window.click('[data-testid=language-ko]');
    await world.app.stop();
    const words = command.replaceAll("'", '').split(' ');
    assert.deepEqual(words, ['sori', '--profile', folder, 'profile', 'repair']);
    execFileSync(join(target, 'debug', 'sori'), words.slice(1), {
      env: { ...process.env, RUST_BACKTRACE: '0', SORI_PASSPHRASE: passphrase, XDG_STATE_HOME: place('states', 'minji') },
      stdio: 'pipe',
    });
    assert.ok(readdirSync(join(folder, 'store')).includes('store.damaged-1'));
    await unlock(folder);
    await world.window.see('[data-testid=origin][data-origin=repaired]', 30_000);
    await world.window.see('[data-testid=conversation]');
    await world.shot('44-repaired');
    await world.app.stop();
  });
}
