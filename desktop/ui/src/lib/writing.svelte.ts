import { SvelteMap } from 'svelte/reactivity';

/** How long somebody counts as writing who does not say so again. */
const WRITING_MS = 8_000;
/** How often the own keys are passed on. The engine tells others less often still. */
const KEYS_MS = 2_000;

/** Who is writing where, of those who let others know. */
export class Writing {
  readonly #who = new SvelteMap<string, string[]>();
  readonly #ends = new Map<string, ReturnType<typeof setTimeout>>();
  #told = { group: '', at: 0 };

  /** Accounts of those who are writing in a conversation, who began first before the others. */
  in(group: string): string[] {
    return this.#who.get(group) ?? [];
  }

  heard(group: string, member: string): void {
    const key = `${group} ${member}`;
    clearTimeout(this.#ends.get(key));
    this.#ends.set(
      key,
      setTimeout(() => this.ended(group, member), WRITING_MS),
    );
    const who = this.in(group);
    if (!who.includes(member)) this.#who.set(group, [...who, member]);
  }

  /** Their message has come, or they have not said so again. */
  ended(group: string, member: string): void {
    const key = `${group} ${member}`;
    clearTimeout(this.#ends.get(key));
    this.#ends.delete(key);
    const left = this.in(group).filter((one) => one !== member);
    if (left.length > 0) this.#who.set(group, left);
    else this.#who.delete(group);
  }

  clear(): void {
    for (const timer of this.#ends.values()) clearTimeout(timer);
    this.#ends.clear();
    this.#who.clear();
  }

  /** Whether a key that was pressed now is to be passed on. */
  isNews(group: string, now: number): boolean {
    if (this.#told.group === group && now - this.#told.at < KEYS_MS) return false;
    this.#told = { group, at: now };
    return true;
  }
}
