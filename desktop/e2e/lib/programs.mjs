/**
 * The programs of a test: display, relay, a second client, the window. Each is started in a process group of its own
 * and ended by that group, so that nothing outlives the test and nothing else is touched.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, mkdirSync, openSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Window, until } from './webdriver.mjs';

const root = new URL('../../../', import.meta.url).pathname;
export const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target');
/** A program as it was built: `SORI_E2E_BUILD` says which build, `debug` if it says nothing. */
export const program = (name) => join(target, process.env.SORI_E2E_BUILD ?? 'debug', name);

const END_MS = 8_000;
const folder = process.env.SORI_E2E_FOLDER ?? mkdtempSync(join(tmpdir(), 'sori-e2e-'));
const running = new Set();

/** A folder below the one of this test run. */
export function place(...parts) {
  const path = join(folder, ...parts);
  mkdirSync(path, { recursive: true, mode: 0o700 });
  return path;
}

function start(command, args, options = {}) {
  const child = spawn(command, args, { detached: true, stdio: ['ignore', 'ignore', 'ignore'], ...options });
  running.add(child);
  child.ended = new Promise((resolve) => {
    child.once('exit', (code) => {
      running.delete(child);
      resolve(code);
    });
    child.once('error', (error) => {
      running.delete(child);
      child.problem = error;
      resolve(-1);
    });
  });
  return child;
}

function signal(child, name) {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, name);
  } catch {
    // It has ended already.
  }
}

/** Ends a program and whatever it started. */
export async function end(child) {
  signal(child, 'SIGTERM');
  const late = setTimeout(() => signal(child, 'SIGKILL'), END_MS);
  await child.ended;
  clearTimeout(late);
  signal(child, 'SIGKILL');
}

/** Ends everything and removes the folder. */
export async function endAll() {
  await Promise.all([...running].map(end));
  if (process.env.SORI_E2E_KEEP === undefined && process.env.SORI_E2E_FOLDER === undefined) rmSync(folder, { recursive: true, force: true });
}

const freePort = () =>
  new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });

/** The first line a program says. */
function firstLine(child) {
  return new Promise((resolve, reject) => {
    createInterface({ input: child.stdout }).once('line', resolve);
    void child.ended.then((code) => reject(child.problem ?? new Error(`it ended with ${code} before it said anything`)));
  });
}

/** A virtual screen of its own, with a window manager if `managed`: focus and input methods need one. */
export async function display({ managed = false, pixels = null } = {}) {
  const args = ['-displayfd', '1', '-screen', '0', '1280x900x24', '-nolisten', 'tcp', ...(pixels === null ? [] : ['-fbdir', pixels])];
  const server = start('Xvfb', args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const name = `:${await firstLine(server)}`;
  if (managed) start('openbox', [], { env: { ...process.env, DISPLAY: name } });
  return name;
}

/** How many colours a virtual screen shows whose pixels are in this folder (an X window dump). */
export function colours(pixels) {
  const dump = readFileSync(join(pixels, 'Xvfb_screen0'));
  const begin = dump.readUInt32BE(0) + 12 * dump.readUInt32BE(19 * 4);
  const seen = new Set();
  for (let at = begin; at + 4 <= dump.length; at += 4) seen.add(dump.readUInt32LE(at));
  return seen.size;
}

/** The window as a person starts it: nothing drives it. */
export function plainWindow({ home, screen }) {
  const dirs = Object.fromEntries(['config', 'data', 'cache', 'runtime'].map((kind) => [kind, place('apps', home, kind)]));
  const env = {
    ...process.env,
    DISPLAY: screen,
    HOME: place('apps', home),
    XDG_CONFIG_HOME: dirs.config,
    XDG_DATA_HOME: dirs.data,
    XDG_CACHE_HOME: dirs.cache,
    XDG_RUNTIME_DIR: dirs.runtime,
    LANG: 'ko_KR.UTF-8',
    LC_ALL: 'ko_KR.UTF-8',
    GDK_BACKEND: 'x11',
  };
  return start('dbus-run-session', ['--', program('sori-desktop'), '--profile', place('apps', home, 'profile')], { env });
}

/** Starts the window's program once more in the session whose bus is at this address. Gives the code with which it ends. */
export async function startAgain({ home, profile, bus, screen, args = [] }) {
  const env = { ...process.env, DISPLAY: screen, HOME: place('apps', home), DBUS_SESSION_BUS_ADDRESS: bus, LANG: 'ko_KR.UTF-8', GDK_BACKEND: 'x11' };
  const again = start(program('sori-desktop'), ['--profile', profile, ...args], { env });
  const late = setTimeout(() => signal(again, 'SIGKILL'), 30_000);
  const code = await again.ended;
  clearTimeout(late);
  return code;
}

/** Another program on the same screen: see `hand.py`. */
export async function hand(what, path, screen) {
  const child = start('/usr/bin/python3', [new URL('hand.py', import.meta.url).pathname, what, path], {
    env: { ...process.env, DISPLAY: screen, GDK_BACKEND: 'x11' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  await firstLine(child);
  return child;
}

/** A sound server of its own, whose microphone hears a tone of 440 Hz and whose loudspeaker nobody hears. */
export class Sound {
  #child;
  #socket = join(place('sound'), 'native');

  /** What programs need to know to find it. */
  env() {
    return { PULSE_SERVER: `unix:${this.#socket}` };
  }

  async start() {
    const folder = place('sound', 'home');
    const modules = [`module-native-protocol-unix auth-anonymous=1 socket=${this.#socket}`, 'module-null-sink', 'module-sine-source frequency=440'];
    this.#child = start('/usr/bin/pulseaudio', ['-n', '--daemonize=no', '--exit-idle-time=-1', ...modules.flatMap((name) => ['-L', name])], {
      env: { ...process.env, HOME: folder, XDG_RUNTIME_DIR: folder, PULSE_RUNTIME_PATH: folder, PULSE_STATE_PATH: folder },
    });
    await until('the sound server', () => {
      if (this.#child.problem) throw this.#child.problem;
      return existsSync(this.#socket);
    });
  }

  stop() {
    return end(this.#child);
  }
}

/** A real relay. It can be stopped, and started again at the same address with the same key. */
export class Relay {
  #key = join(place('relay'), 'key');
  #listen;
  #child;
  url = '';

  constructor(listen = '127.0.0.1:0') {
    this.#listen = listen;
  }

  async start() {
    if (!existsSync(this.#key)) {
      const made = start(program('sori-relay'), ['key', this.#key]);
      if ((await made.ended) !== 0) throw made.problem ?? new Error('sori-relay made no key');
    }
    this.#child = start(program('sori-relay'), ['run', '--listen', this.#listen, '--key', this.#key], { stdio: ['ignore', 'pipe', 'ignore'] });
    const line = await firstLine(this.#child);
    this.url = line.replace(/^ready /, '');
    this.#listen = /^relay:\/\/([^/]+)/.exec(this.url)[1];
  }

  stop() {
    return end(this.#child);
  }
}

/** Another person, on `sori rpc`. */
export class Person {
  #child;
  #next = 1;
  #waiting = new Map();
  heard = [];

  constructor(child) {
    this.#child = child;
    createInterface({ input: child.stdout }).on('line', (line) => this.#receive(JSON.parse(line)));
  }

  static async start(name, relay) {
    const profile = join(place('people'), name);
    const env = { ...process.env, SORI_PASSPHRASE: 'only for this test', HOME: place('home', name) };
    const log = openSync(join(place('logs'), `${name}.log`), 'w');
    const person = new Person(start(program('sori'), ['rpc', '--profile', profile], { env, stdio: ['pipe', 'pipe', log] }));
    await person.ask('account.create', { name });
    await person.ask('relay.set', { url: relay });
    return person;
  }

  /** Lets `other` in as a contact, and answers its account id. */
  async befriend(other) {
    const { url } = await this.ask('invite.create', {});
    await other.ask('invite.accept', { url });
    const join = await until('the request', async () => (await this.ask('join.list')).joins.find((one) => one.state === 'waiting'));
    await this.ask('join.approve', { id: join.id });
    return (await until('the contact', async () => (await this.ask('contact.list')).contacts[0])).id;
  }

  ask(method, params = {}) {
    const id = this.#next;
    this.#next += 1;
    this.#child.stdin.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      void this.#child.ended.then(() => reject(new Error(`sori rpc ended before it answered ${method}`)));
    });
  }

  /** The message that holds `text`, once it is there. */
  async message(group, text, ms) {
    const find = async () => {
      const { messages } = await this.ask('message.list', { group, limit: 50 });
      return messages.find((message) => message.text === text);
    };
    return until(`"${text}" at the other side`, find, ms);
  }

  /** Ends the program; this person is offline from now on. */
  end() {
    return end(this.#child);
  }

  #receive(line) {
    const waiting = this.#waiting.get(line.id);
    if (line.id === undefined || waiting === undefined) {
      this.heard.push(line);
      return;
    }
    this.#waiting.delete(line.id);
    if (line.error === undefined) waiting.resolve(line.result);
    else waiting.reject(new Error(`${line.error.message} ${JSON.stringify(line.error.data ?? '')}`));
  }
}

/**
 * The real window. It runs with a D-Bus session and folders of its own, driven by WebKit's WebDriver; `before` is
 * what a shell does first in that session, such as starting an input method.
 */
export class App {
  #driver;
  window;

  static async start({ home, profile, relay, screen, language = 'ko_KR.UTF-8', before = 'true', state = 'minji', binary = program('sori-desktop'), env = {} }) {
    const app = new App();
    const port = await freePort();
    const base = place('apps', home);
    const dirs = Object.fromEntries(['config', 'data', 'cache', 'runtime'].map((kind) => [kind, place('apps', home, kind)]));
    const log = openSync(join(place('logs'), `${home}.log`), 'a');
    app.#driver = start('dbus-run-session', ['--', 'sh', '-c', `${before}\nexec /usr/bin/WebKitWebDriver --host=127.0.0.1 --port=${port}`], {
      stdio: ['ignore', log, log],
      env: {
        ...process.env,
        DISPLAY: screen,
        HOME: base,
        XDG_CONFIG_HOME: dirs.config,
        XDG_DATA_HOME: dirs.data,
        XDG_CACHE_HOME: dirs.cache,
        // Where it is noted how far a profile had come: one for all windows of a person.
        XDG_STATE_HOME: place('states', state),
        XDG_RUNTIME_DIR: dirs.runtime,
        LANG: language,
        LC_ALL: language,
        TZ: 'Asia/Seoul',
        GDK_BACKEND: 'x11',
        TAURI_AUTOMATION: 'true',
        TAURI_WEBVIEW_AUTOMATION: 'true',
        ...env,
      },
    });
    const url = `http://127.0.0.1:${port}`;
    await until('the WebDriver', async () => {
      if (app.#driver.problem) throw app.#driver.problem;
      return (await fetch(`${url}/status`)).ok;
    });
    const args = ['--profile', profile, ...(relay === undefined ? [] : ['--relay', relay])];
    app.window = await Window.open(url, { 'webkitgtk:browserOptions': { binary, args } });
    return app;
  }

  async stop() {
    await this.window.close().catch(() => undefined);
    await end(this.#driver);
  }
}
