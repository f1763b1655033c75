import { getContext, setContext } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import {
  type AccountView,
  type Backend,
  BackendError,
  type Arrange,
  type Choices,
  type ChosenView,
  type ConnectionView,
  type DesktopView,
  type Event,
  type GroupView,
  type JoinState,
  type JoinView,
  type MessageView,
  type NewProfile,
  type Origin,
  type ProgressView,
  type Restoring,
  type Settings,
  type StartView,
  type Wish,
} from './backend';
import { Conversation } from './conversation.svelte';
import { Faces } from './faces';
import { i18n } from './i18n.svelte';
import { Idle } from './idle';
import { Voice } from './voice.svelte';
import { Search } from './search.svelte';
import { errorWords } from './words';
import { Writing } from './writing.svelte';

/** Which dialog is open. One at a time. */
export type DialogName =
  | { name: 'new-group' }
  | { name: 'invite'; group: string | null; title: string }
  | { name: 'join'; id: string | null; url?: string }
  | { name: 'requests' }
  | { name: 'rename' }
  | { name: 'add-contact' }
  | { name: 'settings' }
  | { name: 'shortcuts' }
  | { name: 'switch' }
  | { name: 'handed-over' }
  | { name: 'wipe' }
  | { name: 'link'; url: string; shown: string }
  | { name: 'forward'; group: string; messages: MessageView[] }
  | { name: 'picture'; group: string; message: MessageView }
  | { name: 'history'; group: string; message: MessageView }
  | { name: 'timer'; group: string }
  | { name: 'backup' }
  | { name: 'origin'; origin: Exclude<Origin, 'here'> }
  | { name: 'unlock-change' }
  | { name: 'export'; group: string; title: string }
  | { name: 'copies'; group: string; message: string }
  | { name: 'verify'; id: string; person: string };

export interface Toast {
  id: number;
  text: string;
  tone: 'plain' | 'error';
}

const OVER: JoinState[] = ['done', 'denied', 'expired'];
const TOAST_MS = 6_000;
const LIST_DELAY_MS = 60;
/** How long rows of the list keep their places after the pointer moved over it. */
const HOLD_MS = 2_000;
const DAY_MS = 86_400_000;
/** After the last key. */
const DRAFT_MS = 400;

/** Everything the window knows. Components read its fields and call its verbs. */
export class App {
  readonly backend: Backend;
  phase = $state<'loading' | 'start' | 'restore' | 'unlock' | 'main' | 'failed'>('loading');
  /** Whether the profile is there and open, so that the first start need not ask how to lock it. */
  protected = $state(false);
  failure = $state<BackendError | null>(null);
  start = $state.raw<StartView | null>(null);
  settings = $state.raw<Settings>({
    language: 'ko',
    theme: 'system',
    notify: 'hidden',
    lock_after_min: 0,
    close_to_tray: true,
    autostart: false,
    zoom: 100,
    send_with: 'enter',
    whole_day: false,
    list_width: 0,
  });
  /** What is kept in the profile; null until it was read. */
  choices = $state.raw<Choices | null>(null);
  readonly writing = new Writing();
  readonly faces: Faces;
  desktop = $state.raw<DesktopView>({ tray: false, notifications: false });
  account = $state.raw<AccountView | null>(null);
  connection = $state.raw<ConnectionView>({ state: 'connecting', relay: null, trouble: null });
  groups = $state.raw<GroupView[]>([]);
  joins = $state.raw<JoinView[]>([]);
  /** How joins ended that this window has seen under way; the engine lists only those that are not over. */
  readonly ended = new SvelteMap<string, JoinView>();
  open = $state.raw<Conversation | null>(null);
  dialog = $state<DialogName | null>(null);
  toasts = $state<Toast[]>([]);
  panel = $state(false);
  readonly search: Search;
  /** Whether the conversations that are put away are listed instead of the others. */
  archive = $state(false);
  /** Unsent text by group, as it stands in the window; the profile has it a moment later. */
  readonly drafts = new SvelteMap<string, string>();
  readonly voice: Voice;
  /** Files that are about to be sent in the open conversation. */
  chosen = $state.raw<ChosenView[]>([]);
  /** Whether pictures among them are sent with all that is in them. */
  asTheyAre = $state(false);
  /** Whether files are dragged over the window. */
  dragging = $state(false);
  /** How high the field to write in is, so that nothing is laid over it. */
  composing = $state(0);
  /** Places of rows that are not to change now. */
  #held = $state.raw<Map<string, number> | null>(null);
  #holdTimer: ReturnType<typeof setTimeout> | undefined;
  #muteTimer: ReturnType<typeof setTimeout> | undefined;
  readonly #draftTimers = new Map<string, ReturnType<typeof setTimeout>>();
  readonly #idle = new Idle(() => void this.lock());
  /** A link that waits until the profile is open. */
  #link: string | null = null;
  #wishing = false;
  #toastId = 0;
  /** How often the connection was told of. */
  #heard = 0;
  #listTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(backend: Backend) {
    this.backend = backend;
    this.voice = new Voice(backend);
    this.faces = new Faces(backend);
    this.search = new Search(backend, (error) => {
      // A lone quotation mark is the beginning of a search, not a fault.
      if (!(error instanceof BackendError && error.code === 'out_of_bounds')) this.say(this.explain(error), 'error');
    });
  }

  /** The own account id. */
  get me(): string | null {
    return this.account?.account ?? null;
  }

  /** The conversations that are listed: pinned ones first, put away ones left out, or only those. */
  get listed(): GroupView[] {
    const shown = this.groups.filter((group) => group.archived === this.archive);
    const order = [...shown.filter((group) => group.pinned), ...shown.filter((group) => !group.pinned)];
    const held = this.#held;
    return held === null ? order : order.toSorted((a, b) => (held.get(a.group) ?? -1) - (held.get(b.group) ?? -1));
  }

  /** The pointer moves over the list: rows keep their places a while, so that a press meets the one that was aimed at. */
  hold(): void {
    clearTimeout(this.#holdTimer);
    this.#held ??= new Map(this.listed.map((group, index) => [group.group, index]));
    this.#holdTimer = setTimeout(() => this.release(), HOLD_MS);
  }

  /** Rows take the places that are theirs. */
  release(): void {
    clearTimeout(this.#holdTimer);
    this.#held = null;
  }

  get archived(): number {
    return this.groups.filter((group) => group.archived).length;
  }

  /** Whether there is something to lock with: the keychain alone opens without asking anybody. */
  get lockable(): boolean {
    return this.start?.unlock === 'passphrase' || this.start?.unlock === 'both';
  }

  get requests(): JoinView[] {
    return this.joins.filter((join) => join.direction === 'incoming' && join.state === 'waiting');
  }

  get outgoing(): JoinView[] {
    return this.joins.filter(
      (join) => join.direction === 'outgoing' && ['knocking', 'waiting', 'approved'].includes(join.state),
    );
  }

  async begin(): Promise<void> {
    try {
      if (!this.#wishing) {
        this.#wishing = true;
        await this.backend.wishes((wish) => void this.#grant(wish));
      }
      const start = await this.backend.appStart();
      this.start = start;
      this.#apply(start.settings);
      this.protected = start.profile === 'open';
      if (start.profile === 'open') await this.enter();
      else this.phase = start.profile === 'absent' ? 'start' : 'unlock';
    } catch (error) {
      this.#fail(error);
    }
  }

  async create(profile: NewProfile): Promise<void> {
    await this.backend.profileCreate(profile);
  }

  async unlock(passphrase: string | null, onProgress: (at: ProgressView) => void): Promise<void> {
    const origin = await this.backend.profileOpen(passphrase, onProgress);
    this.protected = true;
    await this.enter();
    if (origin !== 'here') this.dialog = { name: 'origin', origin };
  }

  /** Makes the profile of a backup; `enter` goes on from there. */
  async restore(what: Restoring, onProgress: (at: ProgressView) => void): Promise<void> {
    await this.backend.profileRestore(what, onProgress);
    this.protected = true;
  }

  async enter(): Promise<void> {
    try {
      await this.backend.accountInfo();
      await this.backend.subscribe((event) => this.#on(event));
      await this.#readAll();
      this.start = await this.backend.appStart();
      this.desktop = await this.backend.desktopInfo();
      this.phase = 'main';
      void this.attempt(() => this.refreshChoices());
      this.#idle.after(this.lockable ? this.settings.lock_after_min : 0);
      this.#tellDesktop();
      if (this.#link !== null) this.#followLink(this.#link);
    } catch (error) {
      // A first start that was broken off after the lock was made: the name is still to be asked.
      if (error instanceof BackendError && error.code === 'no_account') this.phase = 'start';
      else this.#fail(error);
    }
  }

  /** Saves and closes the profile, and forgets everything that was shown of it. */
  async lock(): Promise<void> {
    if (this.phase !== 'main' || !this.lockable) return;
    await this.#saveDrafts();
    this.#forget();
    this.phase = 'loading';
    try {
      await this.backend.profileLock();
      this.start = await this.backend.appStart();
      this.phase = 'unlock';
    } catch (error) {
      this.#fail(error);
    }
  }

  /** Destroys the profile; what follows is a first start. */
  async wipe(): Promise<void> {
    for (const timer of this.#draftTimers.values()) clearTimeout(timer);
    this.#draftTimers.clear();
    this.#forget();
    this.phase = 'loading';
    try {
      await this.backend.profileWipe();
      this.protected = false;
      await this.begin();
    } catch (error) {
      this.#fail(error);
    }
  }

  #forget(): void {
    this.#idle.after(0);
    clearTimeout(this.#muteTimer);
    this.release();
    this.dialog = null;
    this.close();
    this.voice.end();
    this.search.clear();
    this.writing.clear();
    this.faces.clear();
    this.choices = null;
    this.groups = [];
    this.joins = [];
    this.ended.clear();
    this.drafts.clear();
    this.toasts = [];
    this.account = null;
    this.archive = false;
    document.title = 'Sori';
    void this.backend.desktopShow(0, null).catch(() => undefined);
  }

  /** The system asks for something. */
  async #grant(wish: Wish): Promise<void> {
    if (wish.wish === 'lock') await this.lock();
    else if (wish.wish === 'link') this.#followLink(wish.url);
    else if (wish.wish === 'dragging') this.dragging = wish.over && this.open !== null;
    else if (wish.wish === 'files') this.choose(wish.files);
    else if (this.phase === 'main') await this.selectAt(wish.group, wish.message);
  }

  /** Files that are to be sent; without a conversation that takes them nothing comes of it. */
  choose(files: ChosenView[]): void {
    this.dragging = false;
    if (this.phase === 'main' && this.open !== null) this.chosen = [...this.chosen, ...files];
    else void this.backend.fileForget(null).catch(() => undefined);
  }

  /** Has the person pick files, or takes those that were copied. */
  async attach(from: 'dialog' | 'clipboard'): Promise<void> {
    const group = this.open?.group;
    await this.attempt(async () => {
      const files = await (from === 'dialog' ? this.backend.filesChoose() : this.backend.filesPaste());
      if (this.open?.group === group) this.choose(files);
    });
  }

  /** Gives a group a picture that the person picks, or that was copied. */
  async giveFace(group: string, from: 'dialog' | 'clipboard'): Promise<void> {
    await this.attempt(async () => {
      const files = await (from === 'dialog' ? this.backend.filesChoose() : this.backend.filesPaste());
      const picture = files.find((file) => file.picture);
      for (const file of files) if (file !== picture) await this.backend.fileForget(file.number);
      if (picture !== undefined) await this.backend.groupAvatarSet(group, picture.number);
      else if (files.length > 0 || from === 'clipboard') this.say(i18n.words.group_picture_none, 'error');
    });
  }

  /** Leaves out a file that was chosen. */
  leave(number: number): void {
    this.chosen = this.chosen.filter((file) => file.number !== number);
    // Said once, it holds once.
    if (this.chosen.length === 0) this.asTheyAre = false;
    void this.backend.fileForget(number).catch(() => undefined);
  }

  #leaveAll(): void {
    this.asTheyAre = false;
    if (this.chosen.length === 0) return;
    this.chosen = [];
    void this.backend.fileForget(null).catch(() => undefined);
  }

  /** Has the file of a message written where the person says. */
  async saveFile(group: string, id: string): Promise<void> {
    await this.attempt(async () => {
      const place = await this.backend.fileSave(group, id);
      if (place !== null) this.say(i18n.words.file_saved(place));
    });
  }

  /** Proposes what a link is for; without an open profile it waits. */
  #followLink(url: string): void {
    this.#link = this.phase === 'main' ? null : url;
    if (this.phase === 'main') this.dialog = { name: 'join', id: null, url };
  }

  /** Notes what was written and not sent; the profile has it a moment after the last key. */
  draft(group: string, text: string): void {
    if ((this.drafts.get(group) ?? '') === text) return;
    this.drafts.set(group, text);
    clearTimeout(this.#draftTimers.get(group));
    this.#draftTimers.set(
      group,
      setTimeout(() => void this.#saveDraft(group), DRAFT_MS),
    );
  }

  async #saveDraft(group: string): Promise<void> {
    const timer = this.#draftTimers.get(group);
    if (timer === undefined) return;
    clearTimeout(timer);
    await this.attempt(() => this.backend.groupArrange(group, { draft: this.drafts.get(group) ?? '' }));
    // More may have been written meanwhile.
    if (this.#draftTimers.get(group) === timer) this.#draftTimers.delete(group);
  }

  async #saveDrafts(): Promise<void> {
    await Promise.all([...this.#draftTimers.keys()].map((group) => this.#saveDraft(group)));
  }

  async arrange(group: string, change: Arrange): Promise<void> {
    await this.attempt(async () => {
      await this.backend.groupArrange(group, change);
      this.release();
      await this.refreshList();
    });
  }

  async select(group: string): Promise<void> {
    if (this.open?.group === group) return;
    this.#leaveAll();
    this.voice.discard();
    await this.#saveDrafts();
    const conversation = new Conversation(this.backend, group);
    this.open = conversation;
    const unread = this.groups.find((known) => known.group === group)?.unread ?? 0;
    this.#tellDesktop();
    await this.attempt(() => conversation.open(unread));
  }

  /** The conversation `by` places below the open one, of those listed or only of those with something unread. */
  step(by: number, unreadOnly = false): void {
    const all = this.listed;
    const from = all.findIndex((group) => group.group === this.open?.group);
    for (let n = 1; n <= all.length; n += 1) {
      const at = from < 0 ? (by > 0 ? n - 1 : -n) : from + by * n;
      const group = all.at(((at % all.length) + all.length) % all.length);
      if (group === undefined || (unreadOnly && group.unread === 0)) continue;
      void this.select(group.group);
      return;
    }
  }

  /** Opens a conversation at one of its messages. */
  async selectAt(group: string, message: string): Promise<void> {
    await this.select(group);
    const open = this.open;
    if (open?.group !== group) return;
    await this.attempt(async () => {
      if (!(await open.reach(message))) this.say(i18n.words.search_gone, 'error');
    });
  }

  close(): void {
    void this.#saveDrafts();
    this.#leaveAll();
    this.voice.discard();
    this.open = null;
    this.panel = false;
    this.#tellDesktop();
  }

  async change(settings: Partial<Settings>): Promise<void> {
    this.#apply({ ...this.settings, ...settings });
    this.#idle.after(this.phase === 'main' && this.lockable ? this.settings.lock_after_min : 0);
    await this.attempt(() => this.backend.settingsSet(this.settings));
    // Some of what is listed is named by the window.
    if (settings.language !== undefined && this.phase === 'main') await this.attempt(() => this.refreshList());
  }

  async refreshChoices(): Promise<void> {
    this.choices = await this.backend.choices();
  }

  /** Chooses something that is kept in the profile. */
  async decide(change: Partial<Choices>): Promise<void> {
    const before = this.choices;
    if (before === null) return;
    this.choices = { ...before, ...change };
    if (!(await this.attempt(() => this.backend.choicesSet(change)))) this.choices = before;
    if (!this.choices.typing) this.writing.clear();
  }

  /** A key was pressed in the field to write in. */
  typed(group: string): void {
    if (this.choices?.typing !== true || !this.writing.isNews(group, Date.now())) return;
    void this.backend.groupTyping(group).catch(() => undefined);
  }

  /** Runs `work`; a refusal becomes a toast. Answers whether it worked. */
  async attempt(work: () => Promise<unknown>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.say(this.explain(error), 'error');
      return false;
    }
  }

  explain(error: unknown): string {
    return errorWords(i18n.words, error instanceof BackendError ? error.code : 'internal');
  }

  say(text: string, tone: Toast['tone'] = 'plain'): void {
    this.#toastId += 1;
    const id = this.#toastId;
    this.toasts = [...this.toasts, { id, text, tone }].slice(-3);
    setTimeout(() => this.dismiss(id), TOAST_MS);
  }

  dismiss(id: number): void {
    this.toasts = this.toasts.filter((toast) => toast.id !== id);
  }

  async refreshList(): Promise<void> {
    const listed = await this.backend.groupList();
    const groups = listed.map((group) => (group.own ? { ...group, name: i18n.words.own_name } : group));
    this.groups = groups;
    for (const group of groups) if (!this.#draftTimers.has(group.group)) this.drafts.set(group.group, group.draft);
    if (this.archive && this.archived === 0) this.archive = false;
    this.#tellDesktop();
    // Nobody tells when a conversation is heard again by itself.
    clearTimeout(this.#muteTimer);
    const next = Math.min(...groups.map((known) => known.muted_until ?? Infinity));
    if (next < Infinity) this.#muteTimer = setTimeout(() => this.#listSoon(), Math.min(Math.max(next - Date.now(), 0) + 1_000, DAY_MS));
  }

  /** Opens the conversation with oneself. */
  async selectOwn(): Promise<void> {
    await this.attempt(async () => {
      const group = await this.backend.groupOwn();
      await this.refreshList();
      await this.select(group);
    });
  }

  #tellDesktop(): void {
    const unread = this.groups.reduce((sum, group) => sum + (group.muted ? 0 : group.unread), 0);
    document.title = unread === 0 ? 'Sori' : `(${unread}) Sori`;
    // An icon that does not change is not worth a word.
    void this.backend.desktopShow(unread, this.open?.group ?? null).catch(() => undefined);
  }

  join(id: string): JoinView | undefined {
    return this.joins.find((join) => join.id === id) ?? this.ended.get(id);
  }

  async refreshJoins(): Promise<void> {
    this.joins = await this.backend.joinList();
  }

  async #readAll(): Promise<void> {
    const heard = this.#heard;
    const [account, connection] = await Promise.all([this.backend.accountInfo(), this.backend.connection()]);
    this.account = account;
    // What was told meanwhile is newer than this answer, whichever comes first.
    if (heard === this.#heard) this.connection = connection;
    await Promise.all([this.refreshList(), this.refreshJoins()]);
  }

  #on(event: Event): void {
    void this.attempt(() => this.#handle(event));
  }

  async #handle(event: Event): Promise<void> {
    const open = this.open;
    switch (event.event) {
      case 'connection_changed':
        this.#heard += 1;
        this.connection = event.connection;
        return;
      case 'message_changed':
        if (open?.group === event.group) open.change(event.message);
        this.search.change(event.message);
        this.#listSoon();
        return;
      case 'message_new':
        this.writing.ended(event.group, event.message.sender);
        this.#listSoon();
        if (open?.group === event.group) await open.refresh(event.message.id);
        return;
      case 'message_gone':
        if (open?.group === event.group) open.gone(event.id);
        this.search.gone(event.id);
        this.#listSoon();
        return;
      case 'group_changed':
        this.#listSoon();
        if (open?.group === event.group) await this.#follow(open);
        return;
      case 'typing':
        this.writing.heard(event.group, event.member);
        return;
      case 'join_requested':
      case 'join_changed':
        if (OVER.includes(event.join.state)) this.ended.set(event.join.id, event.join);
        await this.refreshJoins();
        return;
      case 'contacts_changed':
        if (open !== null) await open.refreshInfo();
        return;
      case 'resync':
        await this.#readAll();
        await Promise.all([open?.refresh().then(() => open.reread()), open?.refreshInfo()]);
        return;
      case 'stopped':
        this.#fail(new BackendError(event.refusal.code, event.refusal.detail));
    }
  }

  /** Reads an open conversation's members again; one that is no more is closed. */
  async #follow(open: Conversation): Promise<void> {
    try {
      await open.refreshInfo();
    } catch (error) {
      if (!(error instanceof BackendError) || error.code !== 'not_found') throw error;
      if (this.open === open) this.close();
    }
  }

  #listSoon(): void {
    this.#listTimer ??= setTimeout(() => {
      this.#listTimer = null;
      void this.attempt(() => this.refreshList());
    }, LIST_DELAY_MS);
  }

  #apply(settings: Settings): void {
    this.settings = settings;
    i18n.use(settings.language);
    i18n.wholeDay = settings.whole_day;
    document.documentElement.dataset['theme'] = settings.theme;
  }

  #fail(error: unknown): void {
    this.failure = error instanceof BackendError ? error : new BackendError('internal', String(error));
    this.phase = 'failed';
  }
}

const KEY = Symbol('app');
export const provideApp = (app: App): App => setContext(KEY, app);
export const useApp = (): App => getContext<App>(KEY);
