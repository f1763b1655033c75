import { expect, test } from 'vitest';
import { Composed, type Field, type Happening } from '../src/lib/composed';

/** A field as the page has it: texts go in where the caret is. */
class Line implements Field {
  value = '';
  selectionStart = 0;
  /** How often the program was told that a text changed. */
  told = 0;

  setRangeText(text: string, from: number, to: number): void {
    this.value = this.value.slice(0, from) + text + this.value.slice(to);
    this.selectionStart = from + text.length;
  }

  dispatchEvent(event: Event): boolean {
    expect([event.type, event.bubbles]).toEqual(['input', true]);
    this.told += 1;
    return true;
  }
}

/** What WebKitGTK tells a page while somebody writes with ibus-hangul; the texts go into the fields as they do there. */
class Page {
  readonly composed = new Composed();
  now = 10_000;

  tell(type: string, target: unknown, more: Partial<Happening> = {}): boolean {
    let prevented = false;
    this.now += 2;
    this.composed.handle({ type, target, timeStamp: this.now, preventDefault: () => (prevented = true), ...more });
    return prevented;
  }

  /** The syllable as it grows, each in the place of the one before. */
  compose(field: Line, ...grown: string[]): void {
    this.key(field);
    this.tell('compositionstart', field, { data: '' });
    for (const [n, data] of grown.entries()) {
      const before = n === 0 ? 0 : (grown[n - 1] ?? '').length;
      this.tell('compositionupdate', field, { data });
      field.setRangeText(data, field.selectionStart - before, field.selectionStart);
      this.tell('input', field, { inputType: 'insertCompositionText', data });
    }
  }

  key(target: unknown): void {
    this.tell('keydown', target, { key: 'Unidentified', keyCode: 229 });
  }

  /** The first step of an end. */
  takeOut(field: Line, data: string): void {
    this.key(field);
    this.tell('beforeinput', field, { inputType: 'deleteCompositionText', data: null });
    field.setRangeText('', field.selectionStart - data.length, field.selectionStart);
    this.tell('input', field, { inputType: 'deleteCompositionText', data: null });
    this.tell('compositionend', field, { data: '' });
  }

  /** The second. */
  putIn(field: Line, data: string): void {
    this.key(field);
    if (!this.tell('beforeinput', field, { inputType: 'insertFromComposition', data })) {
      field.setRangeText(data, field.selectionStart, field.selectionStart);
      this.tell('input', field, { inputType: 'insertFromComposition', data });
    }
    this.tell('compositionend', field, { data });
  }

  press(on: unknown, left: Line | null): void {
    this.tell('pointerdown', on);
    if (left !== null) this.tell('focusout', left);
  }
}

const writing = (): [Page, Line, Line] => [new Page(), new Line(), new Line()];

test('a press that comes between the two steps loses nothing, and what comes late goes nowhere else', () => {
  const [page, line, other] = writing();
  page.compose(line, 'ㅎ', '하', '한');
  page.takeOut(line, '한');
  page.press(other, line);
  expect(line.value).toBe('한');
  expect(line.told).toBe(1);
  page.putIn(other, '한');
  expect([line.value, other.value]).toEqual(['한', '']);
  // What is written there next is taken, also the same once more.
  page.compose(other, 'ㅎ', '하', '한');
  page.takeOut(other, '한');
  page.putIn(other, '한');
  expect(other.value).toBe('한');
});

test('a press behind both steps changes nothing', () => {
  const [page, line, other] = writing();
  page.compose(line, 'ㅎ', '하', '한');
  page.takeOut(line, '한');
  page.putIn(line, '한');
  page.press(other, line);
  expect([line.value, line.told]).toEqual(['한', 0]);
});

test('a press in the same field keeps the syllable where it was', () => {
  const [page, line] = writing();
  line.value = '가나';
  line.selectionStart = 1;
  page.compose(line, 'ㅎ', '하', '한');
  page.takeOut(line, '한');
  page.press(line, null);
  line.selectionStart = 3;
  page.putIn(line, '한');
  expect(line.value).toBe('가한나');
});

test('a syllable whose text goes nowhere is put back, and the next one is written as ever', () => {
  const [page, line] = writing();
  page.compose(line, 'ㅎ', '하', '한');
  page.takeOut(line, '한');
  page.press(null, line);
  page.key(null);
  page.compose(line, 'ㄱ', '그', '글');
  page.takeOut(line, '글');
  page.putIn(line, '글');
  expect(line.value).toBe('한글');
});

test('the focus goes without a press', () => {
  const [page, line] = writing();
  page.compose(line, 'ㅎ', '하', '한');
  page.takeOut(line, '한');
  page.tell('focusout', line);
  page.putIn(line, '한');
  expect([line.value, line.told]).toEqual(['한', 1]);
});

test('what a person takes out stays out', () => {
  const [page, line, other] = writing();
  page.compose(line, 'ㄱ');
  page.takeOut(line, 'ㄱ');
  page.tell('keyup', line, { key: 'Backspace', keyCode: 8 });
  page.press(other, line);
  expect(line.value).toBe('');
  // Where the input method keeps the key for itself, the time says it.
  page.compose(line, 'ㄱ');
  page.takeOut(line, 'ㄱ');
  page.now += 1_500;
  page.press(other, line);
  expect(line.value).toBe('');
});

test('a field that the program has changed meanwhile is left as it is', () => {
  const [page, line, other] = writing();
  line.setRangeText('보낼 ', 0, 0);
  page.compose(line, 'ㅎ', '하', '한');
  page.takeOut(line, '한');
  line.value = '';
  page.press(other, line);
  expect([line.value, line.told]).toEqual(['', 0]);
});

test('a key between them says that the method is done', () => {
  const [page, line, other] = writing();
  page.compose(line, 'ㅎ');
  page.takeOut(line, 'ㅎ');
  page.tell('keydown', line, { key: 'Tab', keyCode: 9 });
  page.press(other, line);
  expect(line.value).toBe('');
});

test('texts of a method that composes nothing are taken', () => {
  const [page, line] = writing();
  page.putIn(line, '語');
  page.putIn(line, '語');
  expect(line.value).toBe('語語');
});
