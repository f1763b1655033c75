/**
 * A W3C WebDriver client, as much of it as these tests use. Elements are given by CSS selector; everything waits a
 * bounded time for what it needs and then says what was missing.
 */

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
const WAIT_MS = 15_000;

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Asks `probe` again until it answers something true. */
export async function until(what, probe, ms = WAIT_MS) {
  const end = Date.now() + ms;
  let last = '';
  for (;;) {
    try {
      const found = await probe();
      if (found) return found;
    } catch (error) {
      last = ` (${error.message})`;
    }
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain for: ${what}${last}`);
    await sleep(60);
  }
}

/** Names of keys that have no letter, as WebDriver writes them. */
export const Key = { Enter: '\uE007', Shift: '\uE008', Control: '\uE009', Alt: '\uE00A', Escape: '\uE00C', Up: '\uE013', Down: '\uE015', F10: '\uE03A' };

export class Window {
  #base;
  #session;

  constructor(base, session) {
    this.#base = base;
    this.#session = session;
  }

  static async open(base, capabilities) {
    const { sessionId } = await request(base, 'POST', '/session', { capabilities: { alwaysMatch: capabilities } });
    return new Window(base, sessionId);
  }

  #call(method, path, body) {
    return request(this.#base, method, `/session/${this.#session}${path}`, body);
  }

  close() {
    return this.#call('DELETE', '');
  }

  url() {
    return this.#call('GET', '/url');
  }

  go(url) {
    return this.#call('POST', '/url', { url });
  }

  title() {
    return this.#call('GET', '/title');
  }

  resize(width, height) {
    return this.#call('POST', '/window/rect', { width, height });
  }

  async screenshot() {
    return Buffer.from(await this.#call('GET', '/screenshot'), 'base64');
  }

  /** Runs a function inside the page; it may be async. Arguments and answer are JSON. */
  run(script, ...args) {
    const source = `const done = arguments[arguments.length - 1]; Promise.resolve((${script})(...Array.from(arguments).slice(0, -1))).then((value) => done({ value: value ?? null }), (error) => done({ error: String(error) }));`;
    return this.#call('POST', '/execute/async', { script: source, args }).then((answer) => {
      if (answer.error !== undefined) throw new Error(answer.error);
      return answer.value;
    });
  }

  async #all(css) {
    const found = await this.#call('POST', '/elements', { using: 'css selector', value: css });
    return found.map((element) => element[ELEMENT]);
  }

  count(css) {
    return this.#all(css).then((found) => found.length);
  }

  /** The first element that matches, once there is one. */
  #one(css) {
    return until(css, async () => (await this.#all(css))[0]);
  }

  see(css, ms) {
    return until(css, () => this.count(css), ms);
  }

  gone(css, ms) {
    return until(`no ${css}`, async () => (await this.count(css)) === 0, ms);
  }

  async click(css) {
    await until(`a click on ${css}`, async () => {
      await this.#call('POST', `/element/${await this.#one(css)}/click`, {});
      return true;
    });
  }

  async text(css) {
    return this.#call('GET', `/element/${await this.#one(css)}/text`);
  }

  texts(css) {
    return this.run((selector) => [...document.querySelectorAll(selector)].map((element) => element.textContent.trim()), css);
  }

  async value(css) {
    return this.#call('GET', `/element/${await this.#one(css)}/property/value`);
  }

  async type(css, text) {
    await this.#call('POST', `/element/${await this.#one(css)}/value`, { text });
  }

  async fill(css, text) {
    const id = await this.#one(css);
    await this.#call('POST', `/element/${id}/clear`, {});
    await this.#call('POST', `/element/${id}/value`, { text });
  }

  /** Presses keys together, in the focused element. */
  async press(...keys) {
    const down = keys.map((value) => ({ type: 'keyDown', value }));
    const up = keys.toReversed().map((value) => ({ type: 'keyUp', value }));
    await this.#call('POST', '/actions', { actions: [{ type: 'key', id: 'keyboard', actions: [...down, ...up] }] });
    await this.#call('DELETE', '/actions');
  }

  /** Waits until some element that matches holds `text`. */
  seeText(css, text, ms) {
    return until(`"${text}" in ${css}`, async () => (await this.texts(css)).some((found) => found.includes(text)), ms);
  }
}

async function request(base, method, path, body) {
  const response = await fetch(`${base}${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}
