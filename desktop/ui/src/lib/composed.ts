/**
 * Keeps a syllable that is being composed when its field is left.
 *
 * Leaving a field ends the composition, and WebKitGTK 2.50 tells the page in two steps: first what was composed is taken out, then it is
 * put in as a text. The second step waits until the page has answered the first, a press does not. So with the pointer at rest the press
 * always comes between the two, and the text goes to whichever field has the focus by then, or nowhere. Here it is put back
 * where it was as soon as its field is left, and not taken a second time when it comes late.
 */

/** What is asked of a field; an input or a text area. */
export interface Field {
  readonly value: string;
  readonly selectionStart: number | null;
  setRangeText(text: string, from: number, to: number, select: 'end'): void;
  dispatchEvent(event: Event): boolean;
}

/** The parts of an event that decide; a plain object in tests. */
export interface Happening {
  type: string;
  target: unknown;
  /** When it happened, in milliseconds. */
  timeStamp: number;
  data?: string | null;
  inputType?: string;
  key?: string;
  keyCode?: number;
  preventDefault(): void;
}

export const HAPPENINGS = ['compositionstart', 'compositionupdate', 'compositionend', 'beforeinput', 'input', 'keydown', 'keyup', 'pointerdown', 'focusout'] as const;

/** How long a text that was taken out is owed to its field, in milliseconds: later the person has gone on. */
const OWED_MS = 1_000;
/** The code of a key that went to the input method. */
const METHOD_KEY = 229;
/** Keys that take out what is being composed because the person wants that. */
const TAKING = ['Backspace', 'Delete', 'Escape'];

/** A text that the method took out and has not put in again; `value` is what is left of the field. */
interface Taken {
  field: Field;
  text: string;
  at: number;
  value: string;
  when: number;
}

const isField = (target: unknown): target is Field => typeof target === 'object' && target !== null && 'setRangeText' in target;

export class Composed {
  #composing = '';
  #taken: Taken | null = null;
  /** What was put back here and may still come from the method. */
  #doubled = '';

  handle(event: Happening): void {
    if (event.type === 'compositionstart' || event.type === 'compositionupdate') this.#begin(event.data ?? '');
    else if (event.type === 'compositionend') this.#composing = '';
    else if (event.type === 'beforeinput' && event.inputType === 'insertFromComposition') this.#comes(event);
    else if (event.type === 'input' && event.inputType === 'deleteCompositionText') this.#goes(event);
    else if (event.type === 'keydown' && event.keyCode !== METHOD_KEY) this.#begin('');
    else if (event.type === 'keyup' && TAKING.includes(event.key ?? '')) this.#taken = null;
    else if (event.type === 'pointerdown' || event.type === 'focusout') this.#leave(event.timeStamp);
  }

  #begin(text: string): void {
    this.#composing = text;
    this.#taken = null;
    this.#doubled = '';
  }

  #goes({ target, timeStamp }: Happening): void {
    if (!isField(target) || target.selectionStart === null || this.#composing === '') return;
    this.#taken = { field: target, text: this.#composing, at: target.selectionStart, value: target.value, when: timeStamp };
  }

  #comes(event: Happening): void {
    if (this.#doubled !== '' && event.data === this.#doubled) event.preventDefault();
    this.#begin('');
  }

  #leave(now: number): void {
    const taken = this.#taken;
    this.#taken = null;
    // A field that the program has filled or emptied meanwhile is left as it is.
    if (taken === null || now - taken.when > OWED_MS || taken.field.value !== taken.value) return;
    taken.field.setRangeText(taken.text, taken.at, taken.at, 'end');
    taken.field.dispatchEvent(new Event('input', { bubbles: true }));
    this.#doubled = taken.text;
  }
}

/** Watches all fields of a page. */
export function keepComposed(page: EventTarget): void {
  const composed = new Composed();
  for (const type of HAPPENINGS) page.addEventListener(type, (event) => composed.handle(event), { capture: true });
}
