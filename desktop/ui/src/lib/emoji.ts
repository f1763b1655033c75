import type { Language } from './backend';
import { rank } from './hangul';

/** An emoji with the names that people look for it by. */
export interface Emoji {
  unicode: string;
  name: string;
  tags: string[];
  group: number;
  /** The same in the five skin tones of Unicode, from light to dark; empty where there are none. */
  tones: string[];
}

/** The groups of Unicode in their order, without components (2); each with the emoji that stands for it. */
export const groups = [
  { group: 0, icon: '😀', label: 'emoji_smileys' },
  { group: 1, icon: '👋', label: 'emoji_people' },
  { group: 3, icon: '🐻', label: 'emoji_nature' },
  { group: 4, icon: '🍎', label: 'emoji_food' },
  { group: 5, icon: '✈️', label: 'emoji_travel' },
  { group: 6, icon: '⚽', label: 'emoji_activities' },
  { group: 7, icon: '💡', label: 'emoji_objects' },
  { group: 8, icon: '❤️', label: 'emoji_symbols' },
  { group: 9, icon: '🏁', label: 'emoji_flags' },
] as const;

/** Without the mark that asks for a picture, where a picture is what there is without it: so Unicode recommends it. */
const bare = (unicode: string): string => {
  const without = unicode.replace(/\ufe0f$/u, '');
  return /^\p{Emoji_Presentation}$/u.test(without) ? without : unicode;
};

interface Raw {
  unicode: string;
  label: string;
  tags?: string[];
  group?: number;
  order?: number;
  skins?: { unicode: string }[];
}

/** One for each tone; pairs of people have many more, which nobody looks for in a picker. */
function tonesOf(raw: Raw): string[] {
  const tones = (raw.skins ?? []).map((skin) => skin.unicode).filter((unicode) => (unicode.match(/[\u{1f3fb}-\u{1f3ff}]/gu) ?? []).length === 1);
  return tones.length === 5 ? tones : [];
}

/** An emoji in a tone from 1 to 5, or as it is. */
export const toned = (emoji: Emoji, tone: number): string => emoji.tones[tone - 1] ?? emoji.unicode;

/** All emoji by their Korean and English names, read when first needed: the tables are as large as the rest of the page. */
export async function load(language: Language): Promise<Emoji[]> {
  const [ko, en] = await Promise.all([import('emojibase-data/ko/compact.json'), import('emojibase-data/en/compact.json')]);
  const [first, second] = (language === 'ko' ? [ko.default, en.default] : [en.default, ko.default]) as [Raw[], Raw[]];
  const others = new Map(second.map((raw) => [raw.unicode, raw]));
  return first
    .filter((raw) => raw.group !== undefined && raw.group !== 2)
    .toSorted((a, b) => (a.order ?? 0) - (b.order ?? 0))
    .map((raw) => {
      const other = others.get(raw.unicode);
      const tags = [...(raw.tags ?? []), ...(other === undefined ? [] : [other.label, ...(other.tags ?? [])])];
      return { unicode: bare(raw.unicode), name: raw.label, tags, group: raw.group ?? 0, tones: tonesOf(raw) };
    });
}

/** Those that fit what was typed, by name first. */
export function find(all: readonly Emoji[], typed: string): Emoji[] {
  /** A name counts a little more than a word beside it. */
  const fit = (emoji: Emoji): number | null => {
    const name = rank(emoji.name, typed);
    const tags = emoji.tags.map((tag) => rank(tag, typed)).filter((one) => one !== null);
    const best = Math.min(name ?? Infinity, ...tags.map((one) => one + 0.5));
    return best === Infinity ? null : best;
  };
  return all
    .map((emoji, index) => ({ emoji, index, fit: fit(emoji) }))
    .filter((one): one is { emoji: Emoji; index: number; fit: number } => one.fit !== null)
    .toSorted((a, b) => a.fit - b.fit || a.index - b.index)
    .map((one) => one.emoji);
}
