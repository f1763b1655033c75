import type { Backend, HitView, MessageView } from './backend';

/** Hits that are shown before somebody asks for more. */
const PAGE = 30;
/** After the last key, so that not every letter of a word is looked for. */
const PAUSE_MS = 140;

/** One search over all conversations, as it is typed. */
export class Search {
  readonly #backend: Backend;
  readonly #refused: (error: unknown) => void;
  text = $state('');
  /** Newest first. */
  hits = $state.raw<HitView[]>([]);
  busy = $state(false);
  /** The name under which the search goes on. */
  more = $state<string | null>(null);
  /** Whether the hits are those of the text as it stands. */
  answered = $state(false);
  #round = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(backend: Backend, refused: (error: unknown) => void) {
    this.#backend = backend;
    this.#refused = refused;
  }

  /** Whether there is anything to look for. */
  get active(): boolean {
    return this.text.trim() !== '';
  }

  /** The text has changed. What was found for the former one stays until the new answer is there. */
  type(text: string): void {
    this.text = text;
    this.#round += 1;
    this.answered = false;
    clearTimeout(this.#timer);
    if (!this.active) {
      this.hits = [];
      this.more = null;
      this.busy = false;
      return;
    }
    this.busy = true;
    const round = this.#round;
    this.#timer = setTimeout(() => void this.#run(round, null), PAUSE_MS);
  }

  clear(): void {
    this.type('');
  }

  async goOn(): Promise<void> {
    if (this.busy || this.more === null) return;
    this.busy = true;
    await this.#run(this.#round, this.more);
  }

  /** A message has changed; one that was taken back is no hit any more. */
  change(message: MessageView): void {
    if (message.deleted) this.gone(message.id);
  }

  /** A message is no more. */
  gone(id: string): void {
    if (this.hits.some((hit) => hit.message.id === id)) this.hits = this.hits.filter((hit) => hit.message.id !== id);
  }

  /** Each call is a bounded piece of work, so it is asked until a page is full or everything was looked at. */
  async #run(round: number, from: string | null): Promise<void> {
    const hits: HitView[] = from === null ? [] : [...this.hits];
    const full = hits.length + PAGE;
    let more = from;
    try {
      do {
        const view = more === null ? await this.#backend.messageSearch(this.text.trim(), PAGE) : await this.#backend.messageSearchMore(more, PAGE);
        if (round !== this.#round) return;
        hits.push(...view.hits);
        more = view.more;
        if (hits.length > 0) this.hits = [...hits];
      } while (more !== null && hits.length < full);
    } catch (error) {
      if (round !== this.#round) return;
      more = null;
      this.#refused(error);
    }
    this.hits = hits;
    this.more = more;
    this.busy = false;
    this.answered = true;
  }
}
