import type { PartView } from './backend';

/** Letters before the first piece that was found, and in all. */
const BEFORE = 18;
const IN_ALL = 90;

const flat = (text: string): string => text.replace(/\s+/g, ' ');

const graphemes = new Intl.Segmenter('ko', { granularity: 'grapheme' });
const letters = (text: string): string[] => [...graphemes.segment(text)].map(({ segment }) => segment);

/** As much of a message as fits a result, around what was found in it; cut between letters. */
export function snippet(parts: readonly PartView[]): PartView[] {
  const first = parts.findIndex((part) => part.found);
  const start = Math.max(0, first);
  const before = letters(flat(parts.slice(0, start).map((part) => part.text).join('')));
  const out: PartView[] = [];
  if (before.length > BEFORE) out.push({ text: `…${before.slice(-BEFORE).join('')}`, found: false });
  else if (before.length > 0) out.push({ text: before.join(''), found: false });
  let left = IN_ALL - Math.min(before.length, BEFORE);
  for (const part of parts.slice(start)) {
    const all = letters(flat(part.text));
    if (all.length > left) {
      out.push({ text: all.slice(0, left).join(''), found: part.found }, { text: '…', found: false });
      break;
    }
    out.push({ text: all.join(''), found: part.found });
    left -= all.length;
  }
  return out.filter((part) => part.text !== '');
}
