import type { Backend, GroupInfo, MessageView } from './backend';
import { firstUnread } from './timeline';

const PAGE = 60;
/** More than this is never fetched again at once when something arrives. */
const REFRESH_MAX = 400;
/** A window that is open for days drops what has long scrolled out at the top, down to half of this. */
const KEPT_MAX = 600;

/** One open conversation: its members, and a window of its messages that ends at the newest. */
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
      const limit = Math.min(Math.max(this.messages.length + PAGE, PAGE), REFRESH_MAX);
      const page = (await this.#backend.messageList(this.group, null, limit)).toReversed();
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
