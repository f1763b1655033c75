/**
 * Measures the window with a large profile: how fast it starts, opens, scrolls and finds, and how much memory it holds.
 *
 *     node desktop/e2e/measure.mjs [--conversations 200] [--messages 100000] [--idle MINUTES] [--make] [--keychain]
 *
 * Needs release builds, of which the window can be driven:
 *
 *     cargo build --release -p sori-desktop -p sori -p sori-relay --features sori-desktop/driven
 *
 * The profile is made by real programs over a real relay, which takes some minutes. SORI_E2E_FOLDER names a folder that
 * keeps it for the next time.
 */
import { chmodSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { loadavg } from 'node:os';
import { parseArgs } from 'node:util';

process.env.SORI_E2E_BUILD ??= 'release';
const { App, Person, Relay, display, endAll, place, program } = await import('./lib/programs.mjs');
const { Key, sleep, until } = await import('./lib/webdriver.mjs');

const { values } = parseArgs({
  options: {
    conversations: { type: 'string', default: '200' },
    messages: { type: 'string', default: '100000' },
    idle: { type: 'string', default: '0' },
    /** Only make the profile. */
    make: { type: 'boolean', default: false },
    /** The profile is unlocked by a keychain instead of a passphrase, from now on. */
    keychain: { type: 'boolean', default: false },
  },
});
const CONVERSATIONS = Number(values.conversations);
const MESSAGES = Number(values.messages);
const IDLE_MIN = Number(values.idle);
/** What is in every other conversation. */
const SMALL = 20;
const BATCH = 200;
const BIG = '회사 전체 이야기';
const NAME = '민지';
const PASSPHRASE = 'only for this test';
const notes = join(place('made'), 'profile.json');

const WORDS = '오늘 내일 회의 점심 저녁 산행 여행 사진 보고서 초안 검토 도착 출발 버스 지하철 커피 김밥 생일 선물 주말 운동 영화 책 서점 공원 바다 부산 제주 서울 예약 확인 부탁 감사 준비 연락 전화 시간 장소 변경 취소 완료'.split(' ');
let seed = 20_251_121;
const random = (below) => {
  seed = (Math.imul(seed, 1_103_515_245) + 12_345) >>> 0;
  return (seed >>> 8) % below;
};
const said = () => Array.from({ length: 3 + random(9) }, () => WORDS[random(WORDS.length)]).join(' ');

const took = async (work) => {
  const begin = performance.now();
  await work();
  return performance.now() - begin;
};
const ms = (value) => `${value.toFixed(0)} ms`;
const tell = (what, value) => console.log(`${what.padEnd(58)} ${value}`);

/** Sends so many messages, some at a time; the next ones when these are durable. */
async function say(person, group, count) {
  for (let sent = 0; sent < count; sent += BATCH) {
    await Promise.all(Array.from({ length: Math.min(BATCH, count - sent) }, () => person.ask('message.send', { group, text: said() })));
    person.heard.length = 0;
  }
}

/** A profile with many conversations, one of them long, written by two. */
async function make(relay) {
  const me = await Person.start(NAME, relay.url);
  const other = await Person.start('서준', relay.url);
  const contact = await me.befriend(other);
  const groups = [];
  for (let n = 0; n < CONVERSATIONS; n += 1) {
    const { group } = await me.ask('group.create', { name: n === 0 ? BIG : `${WORDS[n % WORDS.length]} 모임 ${n}` });
    groups.push(group);
    if (n < 2) await me.ask('group.add', { group, contact });
  }
  const [big, ...small] = groups;
  await until('the long conversation at the other side', async () => (await other.ask('group.list')).groups.some((known) => known.group === big), 60_000);
  const ROUND = 2_000;
  for (let sent = 0; sent < MESSAGES; sent += ROUND) {
    const half = Math.min(ROUND, MESSAGES - sent) / 2;
    await say(me, big, half);
    await say(other, big, half);
    await until('all of it on both sides', async () => {
      const last = async (person) => (await person.ask('message.list', { group: big, limit: 1 })).messages[0]?.id;
      me.heard.length = 0;
      other.heard.length = 0;
      return (await last(me)) === (await last(other));
    }, 120_000);
    if (sent % 10_000 === 0) console.error(`${sent + ROUND} messages`);
  }
  for (const group of small) await say(me, group, SMALL);
  // One that is found by a word that is nowhere else.
  await me.ask('message.send', { group: small[0], text: '돌하르방은 여기에만 있어요' });
  await me.ask('group.read', { group: big });
  await me.end();
  await other.end();
}

/** A program and all that it started. */
function family(root) {
  const parents = new Map();
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      parents.set(Number(pid), Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]));
    } catch {
      // It has just ended.
    }
  }
  const own = (pid) => pid === root || (parents.has(pid) && own(parents.get(pid)));
  return [...parents.keys()].filter(own);
}

/** Processor time that a program and all that it started have spent, in milliseconds. */
function processor(root) {
  const ticks = family(root).map((pid) => {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return Number(fields[11]) + Number(fields[12]);
    } catch {
      return 0;
    }
  });
  return 10 * ticks.reduce((all, one) => all + one, 0);
}

/** What a program and all that it started hold: MiB of PSS by name. */
function memory(root) {
  const parts = {};
  for (const pid of family(root)) {
    try {
      const name = readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
      const pss = Number(/^Pss:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))[1]);
      parts[name] = (parts[name] ?? 0) + pss / 1024;
    } catch {
      // The same.
    }
  }
  const sum = Object.values(parts).reduce((all, one) => all + one, 0);
  const words = Object.entries(parts).filter(([, mib]) => mib >= 1).map(([name, mib]) => `${name} ${mib.toFixed(0)}`);
  return { sum, words: `${sum.toFixed(0)} MiB (${words.join(', ')})` };
}

/** Runs inside the page: presses a conversation and waits until its messages stand still; milliseconds. */
async function pressConversation(name) {
  const begin = performance.now();
  [...document.querySelectorAll('[data-testid=conversation]')].find((row) => row.textContent.includes(name)).click();
  for (;;) {
    await new Promise(requestAnimationFrame);
    const title = document.querySelector('[data-testid=conversation-title]')?.textContent ?? '';
    if (title.includes(name) && document.querySelector('[data-testid=messages][data-settled=true] [data-testid=message]') !== null) break;
    if (performance.now() - begin > 20_000) throw new Error('it does not open');
  }
  return performance.now() - begin;
}

/** Runs inside the page: scrolls up through so many messages; the longest waits between two frames, in milliseconds. */
async function scrollUp(count) {
  const scroller = document.querySelector('.scroller');
  const seen = new Set();
  const gaps = [];
  const begin = performance.now();
  let last = begin;
  let nodes = 0;
  while (seen.size < count && performance.now() - begin < 24_000) {
    scroller.scrollTop -= 400;
    await new Promise(requestAnimationFrame);
    const now = performance.now();
    gaps.push(now - last);
    last = now;
    const drawn = document.querySelectorAll('[data-testid=message]');
    nodes = Math.max(nodes, drawn.length);
    for (const row of drawn) seen.add(row.dataset.message);
  }
  gaps.sort((a, b) => a - b);
  const at = (part) => gaps[Math.min(gaps.length - 1, Math.floor(gaps.length * part))];
  return { seen: seen.size, nodes, took: performance.now() - begin, median: at(0.5), p99: at(0.99), worst: gaps.at(-1) };
}

/** Runs inside the page: writes into the search field and waits for the first result, and for the whole answer. */
async function look(text) {
  const field = document.querySelector('#search');
  const answered = () => document.querySelector('[data-testid=search-count][data-answered=true]') !== null;
  field.focus();
  field.value = '';
  field.dispatchEvent(new InputEvent('input', { bubbles: true }));
  while (answered()) await new Promise(requestAnimationFrame);
  const begin = performance.now();
  field.value = text;
  field.dispatchEvent(new InputEvent('input', { bubbles: true }));
  let first = 0;
  while (!answered() && performance.now() - begin < 30_000) {
    await new Promise(requestAnimationFrame);
    if (first === 0 && document.querySelector('[data-testid=hit]') !== null) first = performance.now() - begin;
  }
  const whole = performance.now() - begin;
  const count = document.querySelectorAll('[data-testid=hit]').length;
  field.value = '';
  field.dispatchEvent(new InputEvent('input', { bubbles: true }));
  return { first: first || whole, whole, count };
}

/** Runs inside the page: puts letters into the field one by one; the longest wait until the next frame, in milliseconds. */
async function typeLetters(count) {
  const field = document.querySelector('#draft');
  field.focus();
  const waits = [];
  for (let n = 0; n < count; n += 1) {
    const begin = performance.now();
    field.setRangeText('가', field.value.length, field.value.length, 'end');
    field.dispatchEvent(new InputEvent('input', { bubbles: true }));
    await new Promise(requestAnimationFrame);
    await new Promise((resolve) => setTimeout(resolve));
    waits.push(performance.now() - begin);
  }
  field.value = '';
  field.dispatchEvent(new InputEvent('input', { bubbles: true }));
  waits.sort((a, b) => a - b);
  return { median: waits[Math.floor(count / 2)], worst: waits.at(-1) };
}

/**
 * Starts the window, and unlocks it unless the keychain does that; answers how long what took, by the clock and in processor
 * time, in milliseconds.
 */
async function start(screen, home) {
  const log = join(place('made'), `${home}-began`);
  const wrapper = join(place('made'), 'begin.sh');
  const profile = join(place('people'), NAME);
  writeFileSync(wrapper, `#!/bin/sh\necho $$ $(date +%s%3N) > '${log}'\nexec '${program('sori-desktop')}' "$@"\n`);
  chmodSync(wrapper, 0o700);
  const env = { XDG_STATE_HOME: join(place('home', NAME), '.local', 'state'), SORI_PASSPHRASE: PASSPHRASE };
  // From the second time on it is the keychain's already, which the program says and does nothing.
  const unlocked = `printf test | gnome-keyring-daemon --unlock --components=secrets >/dev/null\n'${program('sori')}' --profile '${profile}' profile keychain >/dev/null 2>&1 || true`;
  const app = await App.start({ home, screen, profile, binary: wrapper, env, before: values.keychain ? unlocked : 'true' });
  const { window } = app;
  await window.resize(1120, 780);
  const [pid, began] = await until('its beginning', () => readFileSync(log, 'utf8').trim().split(' ').map(Number));
  const mark = (name) =>
    window.run((wanted) => {
      const found = performance.getEntriesByName(wanted).at(-1);
      return found === undefined ? 0 : performance.timeOrigin + found.startTime;
    }, name);
  if (values.keychain) {
    const list = (await until('the list', () => mark('sori:main'), 60_000)) - began;
    return { app, window, pid, told: [['start to a list that can be used', list, processor(pid)]] };
  }
  await window.see('#passphrase', 30_000);
  const first = ['start to the field for the passphrase', (await until('the first page', () => mark('sori:unlock'))) - began, processor(pid)];
  await window.type('#passphrase', PASSPHRASE);
  const before = processor(pid);
  const unlocking = await window.run(() => {
    document.querySelector('[data-testid=unlock]').click();
    return performance.timeOrigin + performance.now();
  });
  const list = (await until('the list', () => mark('sori:main'), 60_000)) - unlocking;
  return { app, window, pid, told: [first, ['passphrase to a list that can be used', list, processor(pid) - before]] };
}

/** Ends the window, and waits until it has let go of the profile. */
async function stop(app, pid) {
  await app.stop();
  await until('the end of the window', () => !existsSync(`/proc/${pid}`), 60_000);
}

async function measure(screen) {
  for (const round of ['first', 'second', 'third']) {
    const { app, pid, told } = await start(screen, 'measure');
    for (const [what, spent, cpu] of told) tell(`${what} (${round}), processor time`, `${ms(spent)}, ${ms(cpu)}`);
    await stop(app, pid);
  }
  const { app, window, pid } = await start(screen, 'measure');
  await sleep(10_000);
  tell(`idle with ${CONVERSATIONS} conversations, PSS`, memory(pid).words);
  if (IDLE_MIN > 0) {
    await window.run(pressConversation, '모임 1');
    await sleep(20_000);
    const before = memory(pid);
    tell('before the idle time, PSS', before.words);
    await sleep(IDLE_MIN * 60_000);
    const after = memory(pid);
    tell(`after ${IDLE_MIN} idle minutes, PSS`, after.words);
    tell('grown by', `${(100 * (after.sum / before.sum - 1)).toFixed(1)} %`);
    return stop(app, pid);
  }
  tell(`opening the one with ${MESSAGES} messages`, ms(await window.run(pressConversation, BIG)));
  const switches = [];
  for (let n = 1; n <= 10; n += 1) switches.push(await window.run(pressConversation, n % 2 === 0 ? BIG : `모임 ${n} `.trim()).catch(() => NaN));
  tell('switching to and fro, ten times', switches.map((one) => one.toFixed(0)).join(' '));
  await window.run(pressConversation, BIG);
  const typing = await window.run(typeLetters, 60);
  tell('a letter until the next frame, median and longest', `${ms(typing.median)}, ${ms(typing.worst)}`);
  for (const text of ['돌하르방', '지하철 김밥', 'ㅈㅎㅊ', '커', '없는낱말이에요']) {
    const { first, whole, count } = await window.run(look, text);
    tell(`search for ${text}: first result, whole answer`, `${ms(first)}, ${ms(whole)} (${count} shown)`);
  }
  await window.press(Key.Escape);
  await window.run(pressConversation, BIG);
  let seen = 0;
  while (seen < 10_000) {
    const part = await window.run(scrollUp, Math.min(1_500, 10_000 - seen));
    seen += part.seen;
    tell(`scrolled up ${part.seen} messages (${seen} in all)`, `${ms(part.took)}; a frame ${ms(part.median)}, p99 ${ms(part.p99)}, longest ${ms(part.worst)}; ${part.nodes} drawn at most`);
    if (part.seen === 0) break;
  }
  tell(`after scrolling ${seen} messages, PSS`, memory(pid).words);
  await sleep(10_000);
  tell('ten seconds later, PSS', memory(pid).words);
  await stop(app, pid);
}

try {
  const made = existsSync(notes) ? JSON.parse(readFileSync(notes, 'utf8')) : null;
  const relay = new Relay(made?.listen);
  await relay.start();
  if (made === null) {
    console.error('making the profile');
    const spent = await took(() => make(relay));
    writeFileSync(notes, JSON.stringify({ listen: /^relay:\/\/([^/]+)/.exec(relay.url)[1] }));
    tell(`made ${CONVERSATIONS} conversations, ${MESSAGES} messages in one`, `${(spent / 1000).toFixed(0)} s`);
  }
  tell('load of the machine', loadavg().map((one) => one.toFixed(1)).join(' '));
  if (!values.make) await measure(process.env.DISPLAY ?? (await display()));
} finally {
  await endAll();
}
