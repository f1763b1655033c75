import { expect, test } from 'vitest';
import { type Block, type Piece, blocks, inline, mentionMark, mentioned, plain } from '../src/lib/markup';

const ACCOUNT = 'kP2vXo9dN5rT8wYb3uHc7qJf1mLs6eGzA4iQxV0tBnE';

/** The pieces in short: marks for what they are. */
function short(pieces: readonly Piece[]): string {
  return pieces
    .map((piece) => {
      if (piece.kind === 'text') return piece.text;
      if (piece.kind === 'code') return `<c:${piece.text}>`;
      if (piece.kind === 'link') return `<l:${piece.text}=${piece.url}>`;
      if (piece.kind === 'mention') return `<m:${piece.label}=${piece.account}>`;
      return `<${piece.kind[0]}:${short(piece.pieces)}>`;
    })
    .join('');
}

test.each([
  ['안녕 **굵게** 그리고 *기울여*', '안녕 <b:굵게> 그리고 <i:기울여>'],
  ['~~지움~~ __굵게__ _기울여_', '<s:지움> <b:굵게> <i:기울여>'],
  ['**굵고 *기운* 글**', '<b:굵고 <i:기운> 글>'],
  ['`**그대로**`', '<c:**그대로**>'],
  ['3 * 4 * 5 = 60', '3 * 4 * 5 = 60'],
  ['a*b*c 와 **', 'a<i:b>c 와 **'],
  ['snake_case_name', 'snake_case_name'],
  ['** 떨어진 **', '** 떨어진 **'],
  ['***', '***'],
  ['한 줄 *에서\n다음* 줄', '한 줄 *에서\n다음* 줄'],
  ['<b>굵게</b> <img src=x onerror=alert(1)>', '<b>굵게</b> <img src=x onerror=alert(1)>'],
])('%s', (text, expected) => {
  expect(short(inline(text))).toBe(expected);
});

test.each([
  ['보세요: https://example.org/a_b_c?x=1#y.', '보세요: <l:https://example.org/a_b_c?x=1#y=https://example.org/a_b_c?x=1#y>.'],
  ['(https://ko.wikipedia.org/wiki/소리_(음악))', '(<l:https://ko.wikipedia.org/wiki/소리_(음악)=https://ko.wikipedia.org/wiki/소리_(음악)>)'],
  ['www.example.org 로', '<l:www.example.org=https://www.example.org> 로'],
  ['mailto:a@example.org', '<l:mailto:a@example.org=mailto:a@example.org>'],
  ['[여기](https://evil.example/)', '<l:여기=https://evil.example/>'],
  ['[여기](javascript:alert(1))', '[여기](javascript:alert(1))'],
  ['[여기](data:text/html,x)', '[여기](data:text/html,x)'],
  ['javascript:alert(1) file:///etc sori:invite#x', 'javascript:alert(1) file:///etc sori:invite#x'],
  ['xhttps://example.org', 'xhttps://example.org'],
  ['https://', 'https://'],
])('links: %s', (text, expected) => {
  expect(short(inline(text))).toBe(expected);
});

test('people are named by their accounts', () => {
  const mark = mentionMark('민지 [디자인]', ACCOUNT);
  expect(short(inline(`안녕 ${mark}!`))).toBe(`안녕 <m:@민지 [디자인]=${ACCOUNT}>!`);
  expect(mentioned(`${mark} ${mark}`)).toEqual([ACCOUNT, ACCOUNT]);
  expect(plain(`**안녕** ${mark}`)).toBe('안녕 @민지 [디자인]');
  expect(short(inline('[@x](sori:a/short)'))).toBe('[@x](sori:a/short)');
});

test('blocks are lines, quotes and code', () => {
  const kinds = (text: string): string[] => blocks(text).map((block: Block) => block.kind);
  expect(kinds('하나\n둘')).toEqual(['lines']);
  expect(kinds('> 인용\n> 둘째\n답')).toEqual(['quote', 'lines']);
  expect(kinds('앞\n```\nlet *x* = 1;\n```\n뒤')).toEqual(['lines', 'code', 'lines']);
  expect(kinds('``` 닫지 않음')).toEqual(['lines']);
  expect(plain('앞\n```\nlet *x* = 1;\n```')).toBe('앞\nlet *x* = 1;');
});

test('nothing of a text is lost, and nothing takes long', () => {
  const marks = '*_~`[]()!>\\\n@:/';
  let seed = 12_345;
  const next = (): number => (seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648);
  for (let n = 0; n < 400; n += 1) {
    const text = Array.from({ length: 40 }, () => (next() % 3 === 0 ? '가나 ab'.charAt(next() % 6) : marks.charAt(next() % marks.length))).join('');
    expect(() => blocks(text), text).not.toThrow();
  }
  // What took time with the square of its length would not end within the test's time.
  for (const mark of ['*', '**', '[', '`', '_a', '~~a ', 'https://(']) expect(blocks(mark.repeat(8_000))).toHaveLength(1);
}, 60_000);
