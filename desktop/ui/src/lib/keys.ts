/** The parts of a keyboard event that decide; a plain object in tests. */
export interface Key {
  key: string;
  keyCode: number;
  isComposing: boolean;
  shiftKey: boolean;
  ctrlKey: boolean;
  altKey: boolean;
  metaKey: boolean;
}

/**
 * Whether an input method is still composing a letter. Some engines end the composition first and then report the
 * same key with code 229, so both signs count.
 */
export const isComposing = (key: Key): boolean => key.isComposing || key.keyCode === 229;

/** Whether this key sends the message: Enter alone, or with Ctrl if so chosen; never while a Hangul letter is being composed. */
export const sends = (key: Key, sendWith: 'enter' | 'ctrl_enter' = 'enter'): boolean =>
  key.key === 'Enter' && !isComposing(key) && !key.shiftKey && key.ctrlKey === (sendWith === 'ctrl_enter') && !key.altKey && !key.metaKey;
