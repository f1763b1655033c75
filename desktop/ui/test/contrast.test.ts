import { describe, expect, test } from 'vitest';
import avatar from '../src/parts/Avatar.svelte?raw';
import css from '../src/styles/tokens.css?raw';

/** The colours that a block of the token file sets. */
function block(css: string, selector: string): Map<string, string> {
  const start = css.indexOf(`${selector} {`);
  expect(start, selector).toBeGreaterThanOrEqual(0);
  const body = css.slice(start, css.indexOf('}', start));
  return new Map([...body.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, colour]) => [name ?? '', colour ?? '']));
}

/** Relative luminance, WCAG 2.2. */
function luminance(colour: string): number {
  const [red = 0, green = 0, blue = 0] = [1, 3, 5].map((at) => {
    const part = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function contrast(one: string, other: string): number {
  const [light = 0, dark = 0] = [luminance(one), luminance(other)].toSorted((a, b) => b - a);
  return (light + 0.05) / (dark + 0.05);
}

const themes = { light: block(css, ':root'), dark: block(css, ":root[data-theme='dark']"), system: block(css, "  :root[data-theme='system']") };

/** Which words stand on which grounds. */
const pairs: Record<string, string[]> = {
  ink: ['paper', 'surface', 'raised', 'hover'],
  'ink-2': ['paper', 'surface', 'raised', 'hover'],
  'ink-3': ['paper', 'surface', 'raised'],
  'accent-ink': ['paper', 'surface', 'raised', 'accent-soft', 'own'],
  'on-accent': ['accent', 'accent-hover'],
  'own-ink': ['own'],
  'own-ink-2': ['own'],
  danger: ['paper', 'surface', 'raised', 'danger-soft', 'hover'],
  'on-danger': ['danger'],
  'warn-ink': ['warn-soft'],
};

describe.each(Object.entries(themes))('in the %s theme', (_name, colours) => {
  test.each(Object.entries(pairs))('%s can be read where it stands', (words, grounds) => {
    for (const ground of grounds) {
      const [one, other] = [colours.get(words), colours.get(ground)];
      if (one === undefined || other === undefined) throw new Error(`${words} or ${ground} is not set`);
      expect(contrast(one, other), `${words} on ${ground}`).toBeGreaterThanOrEqual(4.5);
    }
  });

  test('edges of fields and the ring of the focus can be seen', () => {
    for (const edge of ['line-strong', 'accent']) {
      expect(contrast(colours.get(edge) ?? '', colours.get('raised') ?? ''), edge).toBeGreaterThanOrEqual(3);
    }
  });
});

test('the two dark blocks are the same', () => {
  expect(themes.system).toEqual(themes.dark);
});

test('letters on avatars can be read', () => {
  const tones = [...avatar.matchAll(/--tone-(bg|ink): light-dark\((#\w{6}), (#\w{6})\)/g)];
  expect(tones).toHaveLength(16);
  for (let at = 0; at < tones.length; at += 2) {
    const [ground, letters] = [tones[at], tones[at + 1]];
    for (const theme of [2, 3]) {
      expect(contrast(ground?.[theme] ?? '', letters?.[theme] ?? ''), `${ground?.[theme]}`).toBeGreaterThanOrEqual(4.5);
    }
  }
});
