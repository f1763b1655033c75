/**
 * Drives the real window: a real relay, real second clients, WebKit's own WebDriver. Ends with `N passed, N failed`.
 *
 *     node desktop/e2e/run.mjs            # all parts
 *     SORI_E2E_KEEP=1 node …              # keep profiles and logs
 *
 * Needs target/debug/{sori-desktop,sori-relay,sori} and, without a DISPLAY, Xvfb. Pictures go to target/e2e-shots/.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { App, Person, Relay, display, endAll, place, target } from './lib/programs.mjs';
import { sleep } from './lib/webdriver.mjs';
import { attachments } from './parts/attachments.mjs';
import { burst } from './parts/burst.mjs';
import { attention } from './parts/attention.mjs';
import { accessibility } from './parts/accessibility.mjs';
import { citizen } from './parts/citizen.mjs';
import { conversation } from './parts/conversation.mjs';
import { daily } from './parts/daily.mjs';
import { files } from './parts/files.mjs';
import { firstStart } from './parts/first-start.mjs';
import { hangul } from './parts/hangul.mjs';
import { invites } from './parts/invites.mjs';
import { keeping } from './parts/keeping.mjs';
import { keychain } from './parts/keychain.mjs';
import { locking } from './parts/locking.mjs';
import { opening } from './parts/opening.mjs';
import { refusals } from './parts/refusals.mjs';
import { restart } from './parts/restart.mjs';
import { restore } from './parts/restore.mjs';
import { reach, search } from './parts/search.mjs';
import { settings } from './parts/settings.mjs';
import { tray } from './parts/tray.mjs';
import { trouble } from './parts/trouble.mjs';
import { undriven } from './parts/undriven.mjs';
import { voice } from './parts/voice.mjs';

const shots = join(target, 'e2e-shots');
rmSync(shots, { recursive: true, force: true });
mkdirSync(shots, { recursive: true });

/** Parts build on one another: after this many failures the rest says nothing new. */
const FAILED_MAX = 3;

let passed = 0;
let failed = 0;

/** What every part shares. Parts run in order and build on one another, like a person's first evening with Sori. */
const world = {
  shots,
  passphrase: '바다 위 초록 자전거',
  profile: place('profile'),
  /** Where the address of the window's D-Bus session is written. */
  bus: join(place('bus'), 'address'),
  screen: process.env.DISPLAY,
  people: {},
  texts: [],

  async test(name, run) {
    const begin = Date.now();
    try {
      await run();
      passed += 1;
      console.log(`ok ${name} (${Date.now() - begin} ms)`);
    } catch (error) {
      failed += 1;
      console.log(`not ok ${name}: ${error.stack ?? error}`);
      await world.shot(`failed-${failed}`).catch(() => undefined);
      if (failed >= FAILED_MAX) throw new Error(`${FAILED_MAX} tests failed; the rest would only repeat it`);
    }
  },

  skip(name, reason) {
    console.log(`skipped ${name}: ${reason}`);
  },

  async shot(name) {
    // What was changed last is drawn a little later, and what fades in is looked at when it is there.
    await world.window.run(async () => {
      const ending = document.getAnimations().filter((one) => Number.isFinite(one.effect?.getComputedTiming().endTime));
      await Promise.all(ending.map((one) => one.finished.catch(() => undefined)));
      for (let n = 0; n < 3; n += 1) await new Promise((resolve) => requestAnimationFrame(resolve));
    });
    await sleep(120);
    writeFileSync(join(shots, `${name}.png`), await world.window.screenshot());
  },

  async open(options = {}) {
    world.app = await App.start({ home: 'minji', profile: world.profile, relay: world.relay.url, screen: world.screen, before: `printf %s "$DBUS_SESSION_BUS_ADDRESS" > '${world.bus}'`, ...options });
    world.window = world.app.window;
    await world.window.resize(1120, 780);
  },
};

try {
  world.screen ??= await display();
  world.relay = new Relay();
  await world.relay.start();
  for (const name of ['서준', '하루', '유나']) world.people[name] = await Person.start(name, world.relay.url);
  await world.open();
  for (const part of [firstStart, invites, conversation, refusals, trouble, settings, daily, attention, search, files, keeping, restart, burst, reach, citizen, accessibility, locking]) await part(world);
  await world.app.stop();
  await undriven(world);
  await attachments(world);
  await voice(world);
  await hangul(world);
  await tray(world);
  await keychain(world);
  // From here on copies of the profile take its place in the groups.
  await opening(world);
  await restore(world);
} catch (error) {
  failed += 1;
  console.log(`not ok, and the rest could not run: ${error.stack ?? error}`);
} finally {
  await endAll();
}
console.log(`${passed} passed, ${failed} failed`);
process.exit(failed === 0 ? 0 : 1);
