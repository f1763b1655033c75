import { type Key, isComposing } from './keys';
import type { WordKey } from './words';

/** Everything that a key does anywhere in the window. The sheet that lists them is made from the same table. */
export type ShortcutId =
  | 'next'
  | 'previous'
  | 'next_unread'
  | 'previous_unread'
  | 'nth'
  | 'switch'
  | 'search'
  | 'new'
  | 'settings'
  | 'sheet'
  | 'lock'
  | 'emoji'
  | 'latest'
  | 'region'
  | 'region_back'
  | 'zoom_in'
  | 'zoom_out'
  | 'zoom_reset';

export interface Shortcut {
  id: ShortcutId;
  /** As they are shown, each a key. */
  keys: string[];
  label: WordKey;
  matches: (key: Key & { code: string }) => boolean;
}

type Pressed = Key & { code: string };
type Mods = { ctrl?: boolean; alt?: boolean; shift?: boolean };

const mods = (key: Pressed, { ctrl = false, alt = false, shift = false }: Mods): boolean =>
  key.ctrlKey === ctrl && key.altKey === alt && key.shiftKey === shift && !key.metaKey;

/** A letter, by what it writes or by where it is: with a Korean layout `key` is a Hangul letter. */
const letter = (name: string, held: Mods) => (key: Pressed): boolean =>
  mods(key, held) && (key.key.toLowerCase() === name || (!/^[\x20-\x7e]$/.test(key.key) && key.code === `Key${name.toUpperCase()}`));
const named = (name: string, held: Mods) => (key: Pressed): boolean => mods(key, held) && key.key === name;
const signs = (held: Mods, keys: string[], codes: string[]) => (key: Pressed): boolean =>
  key.ctrlKey === (held.ctrl ?? false) && !key.altKey && !key.metaKey && (keys.includes(key.key) || codes.includes(key.code));

export const shortcuts: Shortcut[] = [
  { id: 'switch', keys: ['Ctrl', 'K'], label: 'key_switch', matches: letter('k', { ctrl: true }) },
  { id: 'search', keys: ['Ctrl', 'F'], label: 'key_search', matches: letter('f', { ctrl: true }) },
  { id: 'next', keys: ['Alt', '↓'], label: 'key_next', matches: named('ArrowDown', { alt: true }) },
  { id: 'previous', keys: ['Alt', '↑'], label: 'key_previous', matches: named('ArrowUp', { alt: true }) },
  { id: 'next_unread', keys: ['Alt', 'Shift', '↓'], label: 'key_next_unread', matches: named('ArrowDown', { alt: true, shift: true }) },
  { id: 'previous_unread', keys: ['Alt', 'Shift', '↑'], label: 'key_previous_unread', matches: named('ArrowUp', { alt: true, shift: true }) },
  { id: 'nth', keys: ['Ctrl', '1–9'], label: 'key_nth', matches: (key) => mods(key, { ctrl: true }) && /^Digit[1-9]$/.test(key.code) },
  { id: 'latest', keys: ['Ctrl', 'End'], label: 'key_latest', matches: named('End', { ctrl: true }) },
  { id: 'new', keys: ['Ctrl', 'N'], label: 'key_new', matches: letter('n', { ctrl: true }) },
  { id: 'emoji', keys: ['Ctrl', 'E'], label: 'key_emoji', matches: letter('e', { ctrl: true }) },
  { id: 'settings', keys: ['Ctrl', ','], label: 'settings', matches: signs({ ctrl: true }, [','], ['Comma']) },
  { id: 'lock', keys: ['Ctrl', 'L'], label: 'key_lock', matches: letter('l', { ctrl: true }) },
  { id: 'zoom_in', keys: ['Ctrl', '+'], label: 'key_zoom_in', matches: signs({ ctrl: true }, ['+', '='], ['NumpadAdd']) },
  { id: 'zoom_out', keys: ['Ctrl', '−'], label: 'key_zoom_out', matches: signs({ ctrl: true }, ['-', '_'], ['NumpadSubtract']) },
  { id: 'zoom_reset', keys: ['Ctrl', '0'], label: 'key_zoom_reset', matches: (key) => mods(key, { ctrl: true }) && ['Digit0', 'Numpad0'].includes(key.code) },
  { id: 'region', keys: ['F6'], label: 'key_region', matches: named('F6', {}) },
  { id: 'region_back', keys: ['Shift', 'F6'], label: 'key_region_back', matches: named('F6', { shift: true }) },
  { id: 'sheet', keys: ['Ctrl', '/'], label: 'shortcuts', matches: signs({ ctrl: true }, ['/', '?'], ['Slash']) },
];

/** Keys that only mean something in one place, for the sheet. */
export const placeKeys: { keys: string[]; label: WordKey }[] = [
  { keys: ['↑'], label: 'key_edit_last' },
  { keys: ['Shift', 'Enter'], label: 'key_newline' },
  { keys: ['@'], label: 'key_mention' },
  { keys: ['↑', '↓'], label: 'key_walk' },
  { keys: ['Enter'], label: 'key_menu' },
  { keys: ['Esc'], label: 'key_escape' },
];

/** What a key means; nothing while a letter is being composed. */
export function shortcutOf(key: Pressed): ShortcutId | null {
  if (isComposing(key)) return null;
  return shortcuts.find((shortcut) => shortcut.matches(key))?.id ?? null;
}
