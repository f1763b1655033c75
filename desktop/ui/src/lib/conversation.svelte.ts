import type { Backend, GroupInfo, MessageView } from './backend';
import { PIN } from './describe';

/** Messages that are read at a time. */
const PAGE = 80;
/** Most messages that are kept of a conversation; what is farther from the place that is shown is read again. */
const KEPT_MAX = 600;
/** Lines that came late, to places between others, that are looked for one by one; of more the window is read anew. */
const STRAYS_MAX = 12;

/**
 * One open conversation: its members, and a window of its messages. There may be more messages above the window and
 * below it; it grows on the side where somebody scrolls, and forgets on the other.
 */
export class Conversation {
  readonly group: string;
  readonly #backend: Backend;
  info = $state.raw<GroupInfo | null>(null);
  /** Oldest first, without gaps. */
  messages = $state.raw<MessageView[]>([]);
  /** Pinned messages, the one that was pinned last first. */
  pinned = $state.raw<MessageView[]>([]);
  loaded = $state(false);
  hasEarlier = $state(false);
  hasLater = $state(false);
  firstUnread = $state<string | null>(null);
  /** The message that is to be shown next. */
  target = $state<string | null>(null);
  /** Counts up whenever the window is put somewhere else. */
  place = $state(0);
  /** Whether the last change of `messages` was at the upper end, so that what is below keeps its place on the screen. */
  above = $state(false);
  /** Whether somebody looks at the end, and wants to go on doing so. */
  following = true;
  #fetching = false;
  #refreshing: Promise<void> | null = null;
  #again = false;
  #arrived = new Set<string>();

  constructor(backend: Backend, group: string) {
    this.#backend = backend;
    this.group = group;
  }

  /** Reads what is shown first: the newest messages, or those around the first unread one. */
  async open(unread: number): Promise<void> {
    const first = unread > 0 ? await this.#backend.messageUnread(this.group) : null;
    const [info] = await Promise.all([
      this.#backend.groupInfo(this.group),
      first === null ? this.#readLatest() : this.#readAround(first),
    ]);
    this.info = info;
    void this.refreshPinned().catch(() => undefined);
    this.firstUnread = first;
    this.loaded = true;
  }

  async refreshInfo(): Promise<void> {
    this.info = await this.#backend.groupInfo(this.group);
  }

  async refreshPinned(): Promise<void> {
    this.pinned = await this.#backend.messagePinned(this.group);
  }

  /** A message has come: `id`, or whatever is new if that is not known. Calls that come meanwhile share the next read. */
  refresh(id?: string): Promise<void> {
    if (id !== undefined) this.#arrived.add(id);
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
      const arrived = [...this.#arrived];
      this.#arrived.clear();
      // What arrives at the end of a window that does not reach there is read when somebody goes there.
      if (!this.hasLater) {
        const page = (await this.#backend.messageList(this.group, null, PAGE)).toReversed();
        if (!this.hasLater) this.#merge(page);
      }
      await this.#fetchStrays(arrived.filter((known) => this.byId(known) === undefined));
    } while (this.#again);
  }

  /** Puts the newest messages in the place of what was known of them. */
  #merge(page: MessageView[]): void {
    const known = new Map(this.messages.map((message, index) => [message.id, index]));
    const joint = page.map((message) => known.get(message.id)).find((index) => index !== undefined);
    if (joint !== undefined) {
      this.#put([...this.messages.slice(0, joint), ...page], false);
    } else if (this.messages.length === 0 || page.length < PAGE) {
      this.#put(page, false);
      this.hasEarlier = page.length === PAGE;
    } else if (this.following) {
      this.#put(page, false);
      this.hasEarlier = true;
    } else {
      // More came than was read: the rest is read when somebody goes there.
      this.hasLater = true;
    }
  }

  /** Messages that belong between others that are known. */
  async #fetchStrays(ids: string[]): Promise<void> {
    if (ids.length > STRAYS_MAX) return this.reread();
    for (const id of ids) {
      const around = await this.#backend.messageAround(this.group, id, 1, 1).catch(() => null);
      if (around === null || this.byId(id) !== undefined) continue;
      const at = around.messages.findIndex((message) => message.id === id);
      const [stray, earlier, later] = [around.messages[at], around.messages[at + 1], around.messages[at - 1]];
      if (stray === undefined) continue;
      const before = this.messages.findIndex((message) => message.id === earlier?.id);
      const after = this.messages.findIndex((message) => message.id === later?.id);
      // One that belongs beyond an end of the window is read with its neighbours.
      if (before >= 0 && after >= 0) this.#put(this.messages.toSpliced(before + 1, 0, stray), false);
    }
  }

  /** Reads the window again where it is. */
  async reread(): Promise<void> {
    const first = this.messages[0];
    if (first === undefined) return;
    const around = await this.#backend.messageAround(this.group, first.id, 0, KEPT_MAX).catch(() => null);
    if (around === null) return this.#readLatest();
    this.#put(around.messages.toReversed(), false);
    this.hasLater = around.later;
  }

  /** Replaces a message that changed, where it stands. */
  change(message: MessageView): void {
    const at = this.messages.findIndex((known) => known.id === message.id);
    if (at >= 0) this.messages = this.messages.with(at, message);
    if (this.pinned.some((known) => known.id === message.id) || message.reactions.some(({ emoji }) => emoji === PIN)) {
      void this.refreshPinned().catch(() => undefined);
    }
  }

  /** A message is no more. */
  gone(id: string): void {
    this.pinned = this.pinned.filter((message) => message.id !== id);
    if (this.byId(id) !== undefined) this.#put(this.messages.filter((message) => message.id !== id), false);
  }

  async loadEarlier(): Promise<void> {
    const oldest = this.messages[0];
    if (!this.hasEarlier || oldest === undefined) return;
    await this.#fetch(async () => {
      const page = await this.#backend.messageList(this.group, oldest.id, PAGE);
      if (this.messages[0]?.id !== oldest.id) return;
      this.#put([...page.toReversed(), ...this.messages], true);
      this.hasEarlier = page.length === PAGE;
    });
  }

  async loadLater(): Promise<void> {
    const newest = this.messages.at(-1);
    if (!this.hasLater || newest === undefined) return;
    await this.#fetch(async () => {
      const around = await this.#backend.messageAround(this.group, newest.id, 0, PAGE);
      if (this.messages.at(-1)?.id !== newest.id) return;
      const later = around.messages.toReversed().slice(1);
      this.#put([...this.messages, ...later], false);
      this.hasLater = around.later;
    });
  }

  /** Only one piece is read at a time. */
  async #fetch(read: () => Promise<void>): Promise<void> {
    if (this.#fetching) return;
    this.#fetching = true;
    try {
      await read();
    } finally {
      this.#fetching = false;
    }
  }

  /** Has a message shown, wherever it is; answers whether it is there. */
  async reach(id: string): Promise<boolean> {
    if (this.byId(id) === undefined) {
      const found = await this.#readAround(id).then(
        () => true,
        () => false,
      );
      if (!found) return false;
    }
    this.target = id;
    return true;
  }

  /** Goes to the newest messages. */
  async toLatest(): Promise<void> {
    if (this.hasLater) await this.#readLatest();
  }

  async #readLatest(): Promise<void> {
    const page = await this.#backend.messageList(this.group, null, PAGE);
    this.#put(page.toReversed(), false);
    this.hasEarlier = page.length === PAGE;
    this.hasLater = false;
    this.place += 1;
  }

  async #readAround(id: string): Promise<void> {
    const around = await this.#backend.messageAround(this.group, id, PAGE / 2, PAGE / 2);
    this.#put(around.messages.toReversed(), false);
    this.hasEarlier = around.earlier;
    this.hasLater = around.later;
    this.place += 1;
  }

  /** Forgets messages at the end that is farther from what is on the screen. */
  trim(end: 'upper' | 'lower'): void {
    if (this.messages.length <= KEPT_MAX) return;
    if (end === 'upper') {
      this.#put(this.messages.slice(-KEPT_MAX + PAGE), true);
      this.hasEarlier = true;
    } else {
      this.#put(this.messages.slice(0, KEPT_MAX - PAGE), false);
      this.hasLater = true;
    }
  }

  byId(id: string): MessageView | undefined {
    return this.messages.find((message) => message.id === id);
  }

  #put(messages: MessageView[], above: boolean): void {
    this.above = above;
    this.messages = messages;
  }
}
