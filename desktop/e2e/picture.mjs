/**
 * Takes the picture of the README: the real window in the middle of a conversation of real clients.
 *
 *     node desktop/e2e/picture.mjs [FILE]       # docs/window.png
 */
import { writeFileSync } from 'node:fs';
import { App, Person, Relay, display, endAll, place } from './lib/programs.mjs';
import { Key, sleep, until } from './lib/webdriver.mjs';

const file = process.argv[2] ?? new URL('../../docs/window.png', import.meta.url).pathname;
const passphrase = '바다 위 초록 자전거';

/** A command of the page, as the page itself gives it. */
const invoke = (page, command, args = {}) => page.run((name, given) => window.__TAURI_INTERNALS__.invoke(name, given), command, args);

/** Lets the window into a conversation that `person` invites to. */
async function meet(window, person, group) {
  const { url } = await person.ask('invite.create', group === undefined ? {} : { group });
  const id = await invoke(window, 'invite_accept', { url });
  const join = await until('the request', async () => (await person.ask('join.list')).joins.find((known) => known.name === '민지'));
  await person.ask('join.approve', { id: join.id });
  await until('being in', async () => !(await invoke(window, 'join_list')).some((known) => known.id === id));
}

/** Lets `person` into a group of the window. */
async function admit(window, person, group) {
  const { url } = await invoke(window, 'invite_create', { options: { group, uses: 1, expires_s: 3600 } });
  await person.ask('invite.accept', { url });
  const join = await until('the request', async () => (await invoke(window, 'join_list')).find((known) => known.state === 'waiting' && known.direction === 'incoming'));
  await invoke(window, 'join_approve', { id: join.id });
  await until('being in', async () => (await person.ask('group.list')).groups.some((known) => known.group === group));
}

async function take() {
  const screen = await display();
  const relay = new Relay();
  await relay.start();
  const names = ['서준', '하루', '유나', '김도현'];
  const [seojun, haru, yuna, dohyun] = await Promise.all(names.map((name) => Person.start(name, relay.url)));
  const app = await App.start({ home: 'minji', profile: place('profile'), relay: relay.url, screen });
  const { window } = app;
  await window.resize(1120, 780);
  await window.see('#name');
  await invoke(window, 'profile_create', { profile: { name: '민지', protection: 'passphrase', passphrase, relay: relay.url } });
  await window.run(() => location.reload());
  await window.see('[data-testid=empty-new]');

  const { group: design } = await dohyun.ask('group.create', { name: '디자인팀' });
  await meet(window, dohyun, design);
  await dohyun.ask('message.send', { group: design, text: '회의록은 제가 정리해서 올릴게요' });
  const { group: books } = await yuna.ask('group.create', { name: '책 읽는 저녁' });
  await meet(window, yuna, books);
  for (const text of ['다음 책은 무엇으로 할까요?', '짧은 걸로 해요…', '소설 어때요?']) await yuna.ask('message.send', { group: books, text });
  await meet(window, haru);
  const direct = (await haru.ask('group.list')).groups[0].group;
  await haru.ask('message.send', { group: direct, text: '사진 잘 받았어요. 고마워요!' });

  const group = await invoke(window, 'group_create', { name: '주말 등산' });
  for (const person of [seojun, haru, yuna, dohyun]) await admit(window, person, group);
  await window.run(() => location.reload());
  await window.seeText('[data-testid=conversation]', '주말 등산');
  await window.run(() => [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes('주말 등산')).click());

  const seen = (text) => window.seeText('[data-testid=message] .text', text);
  const hear = async (person, text, reply) => {
    const { id } = await person.ask('message.send', { group, text, ...(reply === undefined ? {} : { reply_to: reply }) });
    await seen(text);
    return id;
  };
  const say = async (text) => {
    await window.type('#draft', text + Key.Enter);
    await seen(text);
    return (await seojun.message(group, text)).id;
  };
  await hear(seojun, '이번 토요일 북한산 어때요? 아침 8시에 우이역에서 만나요.');
  const kimbap = await say('좋아요! 김밥은 제가 싸 갈게요');
  await hear(haru, '저는 따뜻한 차 가져갈게요', kimbap);
  await hear(dohyun, '비 온다는데 우산 챙겨야 할까요?');
  const rain = await hear(yuna, '오전에 안 온대요');
  await yuna.ask('message.edit', { group, id: rain, text: '오전에는 안 온대요' });
  await hear(yuna, '🙌');
  for (const person of [seojun, haru, yuna]) await person.message(group, '좋아요! 김밥은 제가 싸 갈게요');
  await seojun.ask('message.react', { group, id: kimbap, emoji: '👍' });
  await haru.ask('message.react', { group, id: kimbap, emoji: '👍' });
  await dohyun.ask('message.react', { group, id: kimbap, emoji: '🎉' });
  await say('그럼 예정대로 8시에 봐요. 늦으면 먼저 올라갈게요!');
  await window.seeText('[data-testid=copies]', '모두에게 있어요');
  await window.seeText('[data-testid=reaction]', '2');
  // The pointer rests where it covers nothing.
  await window.run(() => document.querySelector('#draft').blur());
  await sleep(500);
  writeFileSync(file, await window.screenshot());
  await app.stop();
}

let code = 0;
try {
  await take();
  console.log(`wrote ${file}`);
} catch (error) {
  console.log(error.stack ?? error);
  code = 1;
} finally {
  await endAll();
}
process.exit(code);
