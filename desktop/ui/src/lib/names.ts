import type { MemberView } from './backend';

/** Letters that look alike or cannot be seen, so that they do not make two names differ. */
const ALIKE: Record<string, string> = { 'а': 'a', 'е': 'e', 'о': 'o', 'р': 'p', 'с': 'c', 'х': 'x', 'у': 'y', 'і': 'i', '0': 'o', '1': 'l', '|': 'l' };

/** A name as the eye takes it: without case, spaces, marks and look-alikes. */
export function seen(name: string): string {
  return [...name.normalize('NFKC').toLocaleLowerCase()]
    .filter((letter) => !/[\s\p{Cf}\p{P}]/u.test(letter))
    .map((letter) => ALIKE[letter] ?? letter)
    .join('');
}

/** The ids of members whose names look like another one's. */
export function clashing(members: readonly MemberView[]): Set<string> {
  const byName = new Map<string, string[]>();
  for (const member of members) {
    const name = seen(member.name);
    if (name !== '') byName.set(name, [...(byName.get(name) ?? []), member.id]);
  }
  return new Set([...byName.values()].filter((ids) => ids.length > 1).flat());
}
