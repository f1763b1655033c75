import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { place } from '../lib/programs.mjs';
import { Key, eventually, until } from '../lib/webdriver.mjs';

/** The files that a person has made: a conversation to read, and a backup. */
export async function files(world) {
  const { test, window, shot } = world;
  const line = '좋아요! 김밥은 제가 싸 갈게요';
  // Outside of the home folder, which another test searches for what must not be there.
  const documents = place('documents', '내 문서');
  writeFileSync(join(place('apps', 'minji', 'config'), 'user-dirs.dirs'), `XDG_DOCUMENTS_DIR="${documents}"\n`);
  /** The place that is offered for a file: the window asks for the folder first. */
  const offered = () => until('a place for the file', () => window.value('#file'));
  const openExport = async () => {
    await window.click('[data-testid=conversation-menu]');
    await window.click('[data-testid=menu-export]');
    return offered();
  };
  const made = async () => {
    await window.see('[data-testid=file-made]', 30_000);
    return window.text('[data-testid=file-made] code');
  };

  await test('a conversation is written to a page in the folder for documents, with a warning', async () => {
    const file = await openExport();
    await window.seeText('dialog .warning', '잠기지 않아요');
    assert.ok(file.startsWith(`${documents}/북한산 산행 `) && file.endsWith('.html'), file);
    await shot('33-export');
    await window.click('[data-testid=export-start]');
    assert.equal(await made(), file);
    const page = readFileSync(file, 'utf8');
    assert.ok(page.includes(line) && page.includes('lang="ko"'));
    assert.equal(statSync(file).mode & 0o777, 0o600);
    await shot('34-exported');
    await window.click('[data-testid=export-close]');
    await window.gone('dialog[open]');
  });

  await test('a file that is there is replaced only after a question, and data is data', async () => {
    await openExport();
    await window.click('[data-testid=export-start]');
    await window.seeText('dialog [role=alert]', '이미 있어요');
    await window.click('[data-testid=file-replace]');
    await window.click('[data-testid=export-start]');
    await made();
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
    await openExport();
    await window.click('[data-testid=format-json]');
    await eventually(() => window.value('#file'), (found) => assert.match(found, /\.json$/));
    await window.click('[data-testid=export-start]');
    const data = JSON.parse(readFileSync(await made(), 'utf8'));
    assert.equal(data.format, 'sori-conversation');
    assert.ok(data.messages.some((message) => message.text === line));
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('what is written has its ending, and a place is a whole path', async () => {
    await openExport();
    await window.fill('#file', 'talk.html');
    await window.click('[data-testid=export-start]');
    await window.seeText('dialog [role=alert]', '전체 경로');
    await window.fill('#file', join(documents, '.profile'));
    await window.click('[data-testid=export-start]');
    assert.equal(await made(), join(documents, '.profile.html'));
    assert.equal(readdirSync(documents).includes('.profile'), false);
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });

  await test('a backup is made with a passphrase of its own, and says where it is and what to do', async () => {
    world.backup = { file: join(documents, '백업.backup'), passphrase: '구름 의자 노란 호수' };
    mkdirSync(documents, { recursive: true });
    await window.press(Key.Control, ',');
    await window.click('[data-testid=keeping-backup]');
    await window.seeText('dialog h2', '백업 만들기');
    assert.match(await offered(), /Sori \d{4}-\d\d-\d\d\.backup$/);
    await window.fill('#file', join(documents, '백업'));
    await window.fill('#passphrase', world.backup.passphrase);
    await window.seeText('#strength', '좋아요');
    await window.fill('#passphrase-repeat', '구름 의자');
    await window.seeText('#repeat-problem', '서로 달라요');
    await eventually(() => window.run(() => document.querySelector('[data-testid=backup-start]').disabled), (found) => assert.equal(found, true));
    await window.fill('#passphrase-repeat', world.backup.passphrase);
    await shot('35-backup');
    await window.click('[data-testid=backup-start]');
    assert.equal(await made(), world.backup.file);
    await window.seeText('[data-testid=file-made]', '백업에서 되돌리기');
    assert.equal(readFileSync(world.backup.file).includes(Buffer.from(line)), false);
    await shot('36-backed-up');
    await window.click('[data-testid=backup-close]');
    // Back where it was opened from.
    await window.see('[data-testid=keeping]');
    await window.press(Key.Escape);
    await window.gone('dialog[open]');
  });
}
