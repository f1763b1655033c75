/**
 * A little Markdown: bold, italics, struck, code, quotes, links and people's names. It makes a tree that is drawn piece by
 * piece; there is no HTML anywhere on the way, and nothing is loaded.
 */

export type Piece =
  | { kind: 'text'; text: string }
  | { kind: 'bold' | 'italic' | 'struck'; pieces: Piece[] }
  | { kind: 'code'; text: string }
  | { kind: 'link'; text: string; url: string }
  | { kind: 'mention'; label: string; account: string };

export type Block = { kind: 'lines'; pieces: Piece[] } | { kind: 'quote'; pieces: Piece[] } | { kind: 'code'; text: string };

/** Deeper nesting is text. */
const DEPTH_MAX = 4;
/** Longer spans are text, so that no text takes long. */
const SPAN_MAX = 2_000;
/** An address is looked for within so many letters. */
const AHEAD = 2_400;
const FENCE = '```';
const MENTION = /^\[((?:[^\]\\\n]|\\.){1,200})\]\(sori:a\/([A-Za-z0-9_-]{43})\)/;
const NAMED = /^\[((?:[^\]\\\n]|\\.){1,300})\]\((https?:\/\/[^\s()<>]{1,2000})\)/i;
const BARE = /^(?:https?:\/\/|www\.)[^\s<>"'`]{1,2000}/i;
const MAIL = /^mailto:[^\s<>"'`@]{1,200}@[^\s<>"'`@]{1,300}/i;
/** What ends a sentence rather than an address. */
const TRAILING = /[.,:;!?'"…。、]+$/;
const SPANS: [string, 'bold' | 'italic' | 'struck'][] = [
  ['**', 'bold'],
  ['__', 'bold'],
  ['~~', 'struck'],
  ['*', 'italic'],
  ['_', 'italic'],
];
const isWord = (character: string | undefined): boolean => character !== undefined && /[\p{L}\p{N}]/u.test(character);

/** The blocks of a message. */
export function blocks(text: string): Block[] {
  const found: Block[] = [];
  const lines = text.split('\n');
  for (let at = 0; at < lines.length; ) {
    const line = lines[at] ?? '';
    if (line.startsWith(FENCE)) {
      const end = lines.findIndex((other, index) => index > at && other.trimEnd() === FENCE);
      if (end > at) {
        found.push({ kind: 'code', text: lines.slice(at + 1, end).join('\n') });
        at = end + 1;
        continue;
      }
    }
    const quoted = line.startsWith('> ');
    const begin = at;
    at += 1;
    while (at < lines.length && (lines[at] ?? '').startsWith('> ') === quoted && !(lines[at] ?? '').startsWith(FENCE)) at += 1;
    const part = lines.slice(begin, at).map((one) => (quoted ? one.slice(2) : one));
    found.push({ kind: quoted ? 'quote' : 'lines', pieces: inline(part.join('\n')) });
  }
  return found;
}

/** The pieces of a run of text. */
export function inline(text: string, depth = 0): Piece[] {
  const pieces: Piece[] = [];
  let plain = '';
  const flush = (): void => {
    if (plain !== '') pieces.push({ kind: 'text', text: plain });
    plain = '';
  };
  for (let at = 0; at < text.length; ) {
    const found = pieceAt(text, at, depth);
    if (found === null) {
      plain += text.charAt(at);
      at += 1;
      continue;
    }
    flush();
    pieces.push(found.piece);
    at = found.end;
  }
  flush();
  return pieces;
}

interface Found {
  piece: Piece;
  end: number;
}

function pieceAt(text: string, at: number, depth: number): Found | null {
  const character = text.charAt(at);
  if (character === '`') return codeAt(text, at);
  if (character === '[') return bracketAt(text.slice(at, at + AHEAD), at);
  if ('hHwWmM'.includes(character) && !isWord(text.charAt(at - 1) || undefined)) return addressAt(text.slice(at, at + AHEAD), at);
  return '*_~'.includes(character) && depth < DEPTH_MAX ? spanAt(text, at, depth) : null;
}

function codeAt(text: string, at: number): Found | null {
  const end = text.indexOf('`', at + 1);
  const inside = text.slice(at + 1, end);
  return end > at + 1 && !inside.includes('\n') ? { piece: { kind: 'code', text: inside }, end: end + 1 } : null;
}

function bracketAt(rest: string, at: number): Found | null {
  const unescaped = (label: string): string => label.replace(/\\([\\[\]])/g, '$1');
  const mention = MENTION.exec(rest);
  if (mention?.[1] !== undefined && mention[2] !== undefined) {
    return { piece: { kind: 'mention', label: unescaped(mention[1]), account: mention[2] }, end: at + mention[0].length };
  }
  const named = NAMED.exec(rest);
  if (named?.[1] === undefined || named[2] === undefined) return null;
  return { piece: { kind: 'link', text: unescaped(named[1]), url: named[2] }, end: at + named[0].length };
}

function addressAt(rest: string, at: number): Found | null {
  let address = (BARE.exec(rest) ?? MAIL.exec(rest))?.[0].replace(TRAILING, '');
  if (address === undefined) return null;
  // A bracket that was opened before the address closes behind it.
  while (address.endsWith(')') && address.split(')').length > address.split('(').length) address = address.slice(0, -1).replace(TRAILING, '');
  const url = /^www\./i.test(address) ? `https://${address}` : address;
  if (!/^(?:https?:\/\/[^/?#]*[\p{L}\p{N}]|mailto:)/iu.test(url)) return null;
  return { piece: { kind: 'link', text: address, url }, end: at + address.length };
}

function spanAt(text: string, at: number, depth: number): Found | null {
  for (const [mark, kind] of SPANS) {
    if (!text.startsWith(mark, at)) continue;
    const begin = at + mark.length;
    const end = closing(text, begin, mark);
    if (end < 0) continue;
    // Underscores within a word are part of it.
    if (mark.startsWith('_') && (isWord(text.charAt(at - 1)) || isWord(text.charAt(end + mark.length)))) continue;
    return { piece: { kind, pieces: inline(text.slice(begin, end), depth + 1) }, end: end + mark.length };
  }
  return null;
}

/** Where a span ends that begins at `begin`: no white space lies at its edges, and it stays on its line. */
function closing(text: string, begin: number, mark: string): number {
  if (/^\s|^$/.test(text.slice(begin, begin + 1)) || text.startsWith(mark.charAt(0), begin)) return -1;
  const rest = text.slice(begin, begin + SPAN_MAX);
  const line = rest.indexOf('\n');
  const last = begin + (line < 0 ? rest.length : line);
  for (let end = text.indexOf(mark, begin); end > 0 && end < last; end = text.indexOf(mark, end + 1)) {
    // A single mark is not half of a double one.
    const double = mark.length === 1 && (text.charAt(end + 1) === mark || text.charAt(end - 1) === mark);
    if (!/\s/.test(text.charAt(end - 1)) && end > begin && !double) return end;
  }
  return -1;
}

/** A text without its marks, for places that show one line of it. */
export function plain(text: string): string {
  return blocks(text)
    .map((block) => (block.kind === 'code' ? block.text : plainPieces(block.pieces)))
    .join('\n');
}

function plainPieces(pieces: readonly Piece[]): string {
  return pieces
    .map((piece) => {
      if (piece.kind === 'mention') return piece.label;
      return 'pieces' in piece ? plainPieces(piece.pieces) : piece.text;
    })
    .join('');
}

/** The accounts that a text names. */
export function mentioned(text: string): string[] {
  const found: string[] = [];
  for (const match of text.matchAll(/\]\(sori:a\/([A-Za-z0-9_-]{43})\)/g)) if (match[1] !== undefined) found.push(match[1]);
  return found;
}

/** The mark of a mention in a text that is sent. */
export function mentionMark(name: string, account: string): string {
  return `[@${name.replace(/[\\[\]]/g, '\\$&')}](sori:a/${account})`;
}
