import { expect, test } from 'vitest';
import { openingTrouble } from '../src/lib/opening';
import { tables } from '../src/lib/words';

const { ko, en } = tables;

test('a damaged profile names the command that repairs it, as a shell takes it', () => {
  expect(openingTrouble('profile_damaged', '/home/minji/sori', ko)?.command).toBe('sori --profile /home/minji/sori profile repair');
  expect(openingTrouble('profile_damaged', "/home/민지/it's mine", en)?.command).toBe(
    String.raw`sori --profile '/home/민지/it'\''s mine' profile repair`,
  );
});

test('each trouble says what to do, in both languages', () => {
  for (const code of [
    'profile_damaged', 'profile_newer', 'profile_in_use', 'read_only', 'folder', 'disk_full', 'no_room', 'wrong_key',
    'keychain_no_entry', 'keychain_unavailable', 'keychain_unreadable', 'store',
  ]) {
    for (const words of [ko, en]) {
      const trouble = openingTrouble(code, '/p', words);
      expect(trouble?.title, code).toBeTruthy();
      expect(trouble?.text.length, code).toBeGreaterThan(30);
    }
  }
});

test('a slip of the fingers is no trouble, nor is a code from nowhere', () => {
  for (const code of ['wrong_passphrase', 'empty_passphrase', 'no_such_code', 'constructor']) {
    expect(openingTrouble(code, '/p', ko)).toBe(null);
  }
});
