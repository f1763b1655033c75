/**
 * A W3C WebDriver client, as much of it as these tests use. Elements are given by CSS selector; everything waits a
 * bounded time for what it needs and then says what was missing.
 */

const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';
const WAIT_MS = 15_000;
/** An answer that takes longer than this will not come. */
const ANSWER_MS = 40_000;

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

/** Reads again until `check` accepts what it got; if it never does, its last complaint is the test's. */
export async function eventually(read, check, ms = WAIT_MS) {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return check(await read());
    } catch (error) {
      if (Date.now() > end) throw error;
    }
    await sleep(60);
  }
}

/** Names of keys that have no letter, as WebDriver writes them. */
export const Key = { Enter: '\uE007', Shift: '\uE008', Control: '\uE009', Alt: '\uE00A', Escape: '\uE00C', End: '\uE010', Tab: '\uE004', Up: '\uE013', Down: '\uE015', F10: '\uE03A', Left: '\uE012', Right: '\uE014' };

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

  /** A picture of the page. */
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

  /** Runs a whole script inside the page. */
  runSource(source) {
    return this.#call('POST', '/execute/sync', { script: source, args: [] });
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

  /** The text that can be seen; what is fading in has none yet, so an empty answer is asked for again. */
  async text(css) {
    const read = async () => this.#call('GET', `/element/${await this.#one(css)}/text`);
    return until(`a text in ${css}`, read, 2_000).catch(read);
  }

  texts(css) {
    return this.run((selector) => [...document.querySelectorAll(selector)].map((element) => element.textContent.trim()), css);
  }

  async value(css) {
    return this.#call('GET', `/element/${await this.#one(css)}/property/value`);
  }

  /**
   * Enters text as a paste does, and keys as keys. WebKit's driver forgets Shift when it types letters, so `!` would
   * become `1`; the real keyboard has a test of its own.
   */
  async type(css, text) {
    const id = await this.#one(css);
    for (const part of text.split(/([\uE000-\uF8FF])/).filter((piece) => piece !== '')) {
      if (/^[\uE000-\uF8FF]$/.test(part)) await this.press(part);
      else await this.run(enter, { [ELEMENT]: id }, part, false);
    }
  }

  /** Puts `text` in the place of what a field holds. */
  async fill(css, text) {
    await this.run(enter, { [ELEMENT]: await this.#one(css) }, text, true);
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

/**
 * Everything that an open conversation says, oldest first: walks up from where it is, because only what is near the
 * screen is drawn. Ends at the first message, or when `enough` of it was seen.
 */
export async function transcript(window, enough = () => false, ms = 60_000) {
  const known = new Set();
  let lines = [];
  await until(
    'the beginning of the conversation',
    async () => {
      const { rows, above, earlier } = await window.run(() => {
        const scroller = document.querySelector('.scroller');
        const frame = scroller.getBoundingClientRect();
        // Not what is drawn far away because it has the focus.
        const drawn = [...document.querySelectorAll('[data-testid=message]')].filter((row) => {
          const { top, bottom } = row.getBoundingClientRect();
          return bottom > frame.top - 600 && top < frame.bottom + 600;
        });
        const rows = drawn.map((row) => [row.dataset.message, row.querySelector('.text').textContent]);
        const above = scroller.scrollTop;
        // The uppermost stays in sight, so that nothing is passed by, however late it is drawn.
        if (drawn.length > 0) scroller.scrollTop = Math.max(0, above + drawn[0].getBoundingClientRect().top - frame.top - frame.height / 2);
        return { rows, above, earlier: scroller.dataset.earlier === 'true' };
      });
      const joint = rows.findIndex(([id]) => known.has(id));
      if (joint < 0 && lines.length > 0) return false;
      lines = [...(joint < 0 ? rows : rows.slice(0, joint)), ...lines];
      for (const [id] of rows) known.add(id);
      return enough(lines.map(([, text]) => text)) || (above === 0 && !earlier && joint === 0);
    },
    ms,
  );
  return lines.map(([, text]) => text);
}

/** Runs inside the page. */
function enter(field, text, anew) {
  field.focus();
  if (anew) field.select();
  else field.setSelectionRange(field.value.length, field.value.length);
  document.execCommand(text === '' ? 'delete' : 'insertText', false, text);
}

async function request(base, method, path, body) {
  const response = await fetch(`${base}${path}`, {
    method,
    signal: AbortSignal.timeout(ANSWER_MS),
    ...(body === undefined ? {} : { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
  });
  const { value } = await response.json();
  if (!response.ok) throw new Error(`${value.error}: ${value.message}`);
  return value;
}
