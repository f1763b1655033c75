import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { sleep } from '../lib/webdriver.mjs';

const canSandbox = () => spawnSync('bwrap', ['--ro-bind', '/', '/', '--unshare-all', '--', 'true']).status === 0;

/** What the page may not do. Each is tried from inside the page, as an attacker's script would. */
export async function refusals({ test, window }) {
  const invoke = (command, args) =>
    window.run(
      (name, given) =>
        Promise.race([
          window.__TAURI_INTERNALS__.invoke(name, given).then((value) => `answered ${JSON.stringify(value)}`, (error) => `refused ${JSON.stringify(error)}`),
          new Promise((resolve) => setTimeout(() => resolve('refused by silence'), 2_000)),
        ]),
      command,
      args,
    );

  await test('a command that is not on the list is refused', async () => {
    for (const [command, args] of [
      ['no_such_command', {}],
      ['plugin:event|emit', { event: 'x' }],
      ['plugin:window|close', {}],
      ['plugin:webview|create_webview_window', { options: { label: 'other', url: 'https://example.org' } }],
      ['plugin:path|resolve_directory', { directory: 1 }],
    ]) {
      assert.match(await invoke(command, args), /^refused/, command);
    }
  });

  await test('a command on the list with the wrong arguments is refused, and nothing ends', async () => {
    assert.match(await invoke('message_send', { group: 7 }), /^refused/);
    assert.match(await invoke('message_list', { group: 'x', before: null, limit: -1 }), /^refused/);
    assert.match(await invoke('message_send', { group: 'x', text: 'y'.repeat(300_000), replyTo: null }), /^refused/);
    assert.match(await invoke('connection', {}), /^answered/);
  });

  await test('the profile cannot be made or opened a second time from the page', async () => {
    const again = { name: 'x', protection: 'passphrase', passphrase: 'another one', relay: null };
    await invoke('profile_create', { profile: again });
    assert.match(await invoke('account_info', {}), /민지/);
  });

  await test('no script but our own runs, and nothing is loaded from anywhere', async () => {
    const tried = await window.run(async () => {
      const out = {};
      try {
        const script = document.createElement('script');
        script.textContent = 'window.injected = true';
        document.head.append(script);
      } catch {
        out.trustedTypes = true;
      }
      out.inline = window.injected === undefined;
      try {
        (0, eval)('1');
        out.eval = false;
      } catch {
        out.eval = true;
      }
      try {
        document.createElement('div').innerHTML = '<p>x</p>';
        out.innerHTML = false;
      } catch {
        out.innerHTML = true;
      }
      out.fetch = await fetch('https://example.org/').then(() => false, () => true);
      out.localFetch = await fetch('http://127.0.0.1:9/').then(() => false, () => true);
      out.image = await new Promise((resolve) => {
        const image = new Image();
        image.onload = () => resolve(false);
        image.onerror = () => resolve(true);
        image.src = 'https://example.org/x.png';
      });
      const style = document.createElement('style');
      style.textContent = 'body { opacity: 0.5 }';
      document.head.append(style);
      out.style = getComputedStyle(document.body).opacity === '1';
      style.remove();
      try {
        new WebSocket('wss://example.org/').close();
        out.socket = false;
      } catch {
        out.socket = true;
      }
      try {
        new Worker('data:text/javascript,1');
        out.worker = false;
      } catch {
        out.worker = true;
      }
      return out;
    });
    // A socket that the policy stops may fail by event instead of at once.
    delete tried.socket;
    delete tried.worker;
    for (const [what, refused] of Object.entries(tried)) assert.equal(refused, true, what);
  });

  await test('the processes that draw run in a sandbox, where the system permits one', async () => {
    const start = await invoke('app_start', {});
    if (canSandbox()) assert.match(start, /"sandboxed":true/);
    else assert.match(start, /"sandboxed":false/);
    // What was answered before anything is unlocked names nobody.
    assert.equal(start.includes('민지'), false);
  });

  await test('prototypes are frozen and the global object of Tauri is not there', async () => {
    assert.equal(await window.run(() => Object.isFrozen(Object.prototype)), true);
    assert.equal(await window.run(() => typeof window.__TAURI__), 'undefined');
  });

  await test('the page goes nowhere and opens nothing', async () => {
    const opened = await window.run(() => {
      const other = window.open('https://example.org/');
      return other === null;
    });
    assert.equal(opened, true);
    await window.run(() => {
      location.href = 'https://example.org/';
    });
    await sleep(600);
    assert.match(await window.url(), /^tauri:\/\/localhost/);
    await window.see('#draft');
  });

  await test('the page keeps nothing in the browser', async () => {
    const kept = await window.run(() => {
      try {
        return (window.localStorage?.length ?? 0) + (window.sessionStorage?.length ?? 0) + document.cookie.length;
      } catch {
        return 0;
      }
    });
    assert.equal(kept, 0);
  });
}
