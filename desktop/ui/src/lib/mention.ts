import type { MemberView } from './backend';
import { matching } from './hangul';
import { mentionMark } from './markup';

/** Somebody who was named in a text that is being written. */
export interface Named {
  name: string;
  account: string;
}

const SHOWN_MAX = 6;

/** What is being typed behind an `@` right before the caret; `null` if nothing is. */
export function typedName(text: string, caret: number): { from: number; typed: string } | null {
  const found = /(?:^|[\s(])@([^\s@]{0,40})$/u.exec(text.slice(0, caret));
  return found?.[1] === undefined ? null : { from: caret - found[1].length - 1, typed: found[1] };
}

/** The members that fit; not the own account. */
export const candidates = (members: readonly MemberView[], typed: string): MemberView[] =>
  matching(
    members.filter((member) => !member.me && member.name !== ''),
    (member) => member.name,
    typed,
  ).slice(0, SHOWN_MAX);

/** The text as it is sent: names that were chosen become mentions, longer names first. Whoever was not chosen is text. */
export function withMentions(text: string, named: readonly Named[]): string {
  const byLength = [...new Map(named.map((one) => [one.name, one])).values()].toSorted((a, b) => b.name.length - a.name.length);
  if (byLength.length === 0) return text;
  let out = '';
  for (let at = 0; at < text.length; ) {
    const one = text.charAt(at) === '@' ? byLength.find(({ name }) => text.startsWith(name, at + 1)) : undefined;
    if (one === undefined) {
      out += text.charAt(at);
      at += 1;
    } else {
      out += mentionMark(one.name, one.account);
      at += one.name.length + 1;
    }
  }
  return out;
}

/** The other way round, for editing: `@name` in the place of each mention, and who was named. */
export function withoutMentions(text: string): { text: string; named: Named[] } {
  const named: Named[] = [];
  const bare = text.replace(/\[@((?:[^\]\\\n]|\\.){1,200})\]\(sori:a\/([A-Za-z0-9_-]{43})\)/g, (_whole, label: string, account: string) => {
    const name = label.replace(/\\([\\[\]])/g, '$1');
    named.push({ name, account });
    return `@${name}`;
  });
  return { text: bare, named };
}
