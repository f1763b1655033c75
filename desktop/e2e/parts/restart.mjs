import assert from 'node:assert/strict';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { App, place } from '../lib/programs.mjs';
import { transcript } from '../lib/webdriver.mjs';

function* files(folder) {
  for (const name of readdirSync(folder)) {
    const path = join(folder, name);
    const about = statSync(path, { throwIfNoEntry: false });
    if (about?.isDirectory()) yield* files(path);
    else if (about?.isFile()) yield path;
  }
}

/** What is there after the window was closed. */
export async function restart(world) {
  const { test, shot, profile, passphrase } = world;

  await test('a second window on the same profile says that it is in use', async () => {
    const second = await App.start({ home: 'second', profile, screen: world.screen });
    try {
      await second.window.type('#passphrase', passphrase);
      await second.window.click('[data-testid=unlock]');
      await second.window.seeText('#unlock-problem', '다른 창이나 프로그램에서 쓰는 중', 30_000);
    } finally {
      await second.stop();
    }
  });

  await world.app.stop();

  await test('nothing that was said, and no name, is readable on the disk', async () => {
    const secrets = [...world.texts, '주말 등산', '북한산 산행', '민지', '서준', passphrase].map((text) => Buffer.from(text));
    for (const folder of [profile, place('apps', 'minji')]) {
      for (const file of files(folder)) {
        const bytes = readFileSync(file);
        for (const secret of secrets) assert.equal(bytes.includes(secret), false, `${secret} in ${file}`);
      }
    }
  });

  await world.open();
  const { window } = world;

  await test('the locked window names nobody, and refuses a wrong passphrase', async () => {
    await window.see('#passphrase');
    const said = await window.run(() => document.body.textContent);
    for (const name of ['민지', '서준', '북한산']) assert.equal(said.includes(name), false);
    for (const wrong of ['틀린 암호문구', world.formerPassphrase]) {
      await window.type('#passphrase', wrong);
      await window.click('[data-testid=unlock]');
      await window.seeText('#unlock-problem', '암호문구가 맞지 않아요', 30_000);
    }
    await shot('16-locked');
  });

  await test('with the passphrase everything is where it was', async () => {
    await window.type('#passphrase', passphrase);
    await window.click('[data-testid=unlock]');
    await window.seeText('[data-testid=conversation]', '북한산 산행', 30_000);
    await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('북한산')).click());
    await window.see('[data-testid=messages][data-settled=true] [data-testid=message]');
    const said = await transcript(window);
    for (const text of world.texts) assert.ok(said.includes(text), text);
    if ((await window.count('[data-testid=to-latest]')) > 0) await window.click('[data-testid=to-latest]');
    await window.seeText('[data-testid=connection]', '연결됨', 30_000);
  });

  await test('and the conversation goes on', async () => {
    const text = '도착하면 연락해요';
    await world.people['유나'].ask('message.send', { group: world.group, text });
    await window.seeText('[data-testid=message] .text', text);
    await shot('17-after-restart');
  });
}
