import type { Backend, GroupInfo, MessageView } from './backend';
import { firstUnread } from './timeline';

const PAGE = 60;
/** More than this is never fetched again at once when something arrives. */
const REFRESH_MAX = 400;
/** A window that is open for days drops what has long scrolled out at the top, down to half of this. */
const KEPT_MAX = 600;

/** How many are read at a time on the way to a message that is far above. */
const STRIDE = 400;

/**
 * One open conversation: its members, and a window of its messages. The window ends at the newest, unless somebody went
 * to a message so far above that the way between would be too long to keep: then it is `away`.
 */
export class Conversation {
  readonly group: string;
  readonly #backend: Backend;
  info = $state.raw<GroupInfo | null>(null);
  /** Oldest first. */
  messages = $state.raw<MessageView[]>([]);
  loaded = $state(false);
  hasEarlier = $state(false);
  loadingEarlier = $state(false);
  firstUnread = $state<string | null>(null);
  /** The message that is to be shown next. */
  target = $state<string | null>(null);
  /** Where the pages below an `away` window begin: the lines before these, the nearest page last. */
  #below = $state.raw<(string | null)[]>([]);
  #fetching = false;
  #refreshing: Promise<void> | null = null;
  #again = false;

  constructor(backend: Backend, group: string) {
    this.#backend = backend;
    this.group = group;
  }

  async open(unread: number): Promise<void> {
    const [info, page] = await Promise.all([
      this.#backend.groupInfo(this.group),
      this.#backend.messageList(this.group, null, PAGE),
    ]);
    this.info = info;
    this.messages = page.toReversed();
    this.hasEarlier = page.length === PAGE;
    this.firstUnread = firstUnread(this.messages, unread);
    this.loaded = true;
  }

  /** Whether there are messages below the window that are not in it. */
  get away(): boolean {
    return this.#below.length > 0;
  }

  async refreshInfo(): Promise<void> {
    this.info = await this.#backend.groupInfo(this.group);
  }

  /** Reads the newest messages again. Calls that come while one is under way share the next one. */
  refresh(): Promise<void> {
    if (this.#refreshing !== null) {
      this.#again = true;
      return this.#refreshing;
    }
    this.#refreshing = this.#refreshUntilQuiet().finally(() => {
      this.#refreshing = null;
    });
    return this.#refreshing;
  }

  async #refreshUntilQuiet(): Promise<void> {
    do {
      this.#again = false;
      // What arrives is below the window, and is read when somebody goes there.
      if (this.away) return;
      const limit = Math.min(Math.max(this.messages.length + PAGE, PAGE), REFRESH_MAX);
      const page = (await this.#backend.messageList(this.group, null, limit)).toReversed();
      if (this.away) return;
      this.#merge(page, page.length === limit);
    } while (this.#again);
  }

  /** Puts the newest messages in the place of what was known of them; the window keeps its upper end. */
  #merge(page: MessageView[], more: boolean): void {
    const top = this.messages[0];
    const start = top === undefined ? -1 : page.findIndex((message) => message.id === top.id);
    if (start >= 0 && this.hasEarlier) {
      this.messages = page.slice(start);
      return;
    }
    const joint = start >= 0 ? -1 : this.messages.findIndex((message) => message.id === page[0]?.id);
    if (joint > 0) {
      this.messages = [...this.messages.slice(0, joint), ...page];
      return;
    }
    this.messages = page;
    this.hasEarlier = more;
  }

  /** Replaces a message that changed, where it stands. */
  change(message: MessageView): void {
    const at = this.messages.findIndex((known) => known.id === message.id);
    if (at >= 0) this.messages = this.messages.with(at, message);
  }

  async loadEarlier(): Promise<void> {
    const oldest = this.messages[0];
    if (this.loadingEarlier || !this.hasEarlier || oldest === undefined) return;
    this.loadingEarlier = true;
    try {
      const page = await this.#backend.messageList(this.group, oldest.id, PAGE);
      this.hasEarlier = page.length === PAGE;
      const known = new Set(this.messages.map((message) => message.id));
      this.messages = [...page.toReversed().filter((message) => !known.has(message.id)), ...this.messages];
    } finally {
      this.loadingEarlier = false;
    }
  }

  /** Has a message shown, wherever it is; answers whether it is there. */
  async reach(id: string): Promise<boolean> {
    if (this.byId(id) === undefined && !(await this.#walkTo(id))) return false;
    this.target = id;
    return true;
  }

  /** Reads upwards from the newest until the message is among what was read. */
  async #walkTo(id: string): Promise<boolean> {
    const starts: (string | null)[] = [];
    let before: string | null = null;
    for (;;) {
      const page: MessageView[] = await this.#backend.messageList(this.group, before, STRIDE);
      if (page.some((message) => message.id === id)) {
        this.messages = page.toReversed();
        this.hasEarlier = page.length === STRIDE;
        this.#below = starts;
        return true;
      }
      const oldest = page.at(-1);
      if (oldest === undefined || page.length < STRIDE) return false;
      starts.push(before);
      before = oldest.id;
    }
  }

  /** Reads the page below an `away` window. */
  async loadLater(): Promise<void> {
    const start = this.#below.at(-1);
    if (start === undefined || this.#fetching) return;
    this.#fetching = true;
    try {
      const later = await this.#between(start);
      this.messages = [...this.messages, ...later];
      this.#below = this.#below.slice(0, -1);
      if (!this.away) await this.refresh();
    } finally {
      this.#fetching = false;
    }
  }

  /** The messages below the window down to the line `before`, oldest first. More may have come between them meanwhile. */
  async #between(before: string | null): Promise<MessageView[]> {
    const known = new Set(this.messages.map((message) => message.id));
    let found: MessageView[] = [];
    for (let from = before; ; ) {
      const page = (await this.#backend.messageList(this.group, from, STRIDE)).toReversed();
      const joint = page.findLastIndex((message) => known.has(message.id));
      found = [...page.slice(joint + 1), ...found];
      const oldest = page[0];
      if (joint >= 0 || oldest === undefined) return found;
      from = oldest.id;
    }
  }

  /** Goes back to the newest messages from an `away` window. */
  async toLatest(): Promise<void> {
    if (!this.away) return;
    const page = await this.#backend.messageList(this.group, null, PAGE);
    this.#below = [];
    this.messages = page.toReversed();
    this.hasEarlier = page.length === PAGE;
  }

  /** Forgets old messages again that are far above the end; they are read anew when somebody scrolls there. */
  trim(): void {
    if (this.messages.length <= KEPT_MAX) return;
    this.messages = this.messages.slice(-KEPT_MAX / 2);
    this.hasEarlier = true;
  }

  byId(id: string): MessageView | undefined {
    return this.messages.find((message) => message.id === id);
  }
}
