import type { Words } from './words';

/** Why a profile does not open, what that means for what is in it, and what to do. */
export interface Trouble {
  title: string;
  text: string;
  /** What to enter in a terminal, if that helps. */
  command: string | null;
}

/** `text` as one word for a shell. */
const quoted = (text: string): string => (/^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`);

/** What is more than a slip of the fingers; `null` for that, and for codes without words of their own. */
export function openingTrouble(code: string, folder: string, words: Words): Trouble | null {
  const known: Record<string, [string, string]> = {
    profile_damaged: [words.opening_damaged, words.opening_damaged_text],
    profile_newer: [words.opening_newer, words.opening_newer_text],
    profile_in_use: [words.opening_in_use, words.opening_in_use_text],
    read_only: [words.opening_read_only, words.opening_read_only_text],
    folder: [words.opening_read_only, words.opening_read_only_text],
    disk_full: [words.opening_full, words.opening_full_text],
    no_room: [words.opening_full, words.opening_full_text],
    wrong_key: [words.opening_wrong_key, words.opening_wrong_key_text],
    keychain_no_entry: [words.opening_no_entry, words.opening_no_entry_text],
    keychain_unavailable: [words.opening_no_keychain, words.opening_no_keychain_text],
    keychain_unreadable: [words.opening_wrong_key, words.opening_wrong_key_text],
    store: [words.opening_store, words.opening_store_text],
  };
  const said = Object.hasOwn(known, code) ? known[code] : undefined;
  if (said === undefined) return null;
  const command = code === 'profile_damaged' ? `sori --profile ${quoted(folder)} profile repair` : null;
  return { title: said[0], text: said[1], command };
}
