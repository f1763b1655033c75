import { getContext, setContext } from 'svelte';
import { SvelteMap } from 'svelte/reactivity';
import {
  type AccountView,
  type Backend,
  BackendError,
  type ConnectionView,
  type Event,
  type GroupView,
  type JoinState,
  type JoinView,
  type NewProfile,
  type Origin,
  type ProgressView,
  type Restoring,
  type Settings,
  type StartView,
} from './backend';
import { Conversation } from './conversation.svelte';
import { i18n } from './i18n.svelte';
import { Search } from './search.svelte';
import { errorWords } from './words';

/** Which dialog is open. One at a time. */
export type DialogName =
  | { name: 'new-group' }
  | { name: 'invite'; group: string | null; title: string }
  | { name: 'join'; id: string | null }
  | { name: 'requests' }
  | { name: 'rename' }
  | { name: 'add-contact' }
  | { name: 'settings' }
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

/** Everything the window knows. Components read its fields and call its verbs. */
export class App {
  readonly backend: Backend;
  phase = $state<'loading' | 'start' | 'restore' | 'unlock' | 'main' | 'failed'>('loading');
  /** Whether the profile is there and open, so that the first start need not ask how to lock it. */
  protected = $state(false);
  failure = $state<BackendError | null>(null);
  start = $state.raw<StartView | null>(null);
  settings = $state.raw<Settings>({ language: 'ko', theme: 'system' });
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
  /** Unsent text by group, for as long as the window is open. */
  readonly drafts = new SvelteMap<string, string>();
  #toastId = 0;
  #listTimer: ReturnType<typeof setTimeout> | null = null;

  constructor(backend: Backend) {
    this.backend = backend;
    this.search = new Search(backend, (error) => {
      // A lone quotation mark is the beginning of a search, not a fault.
      if (!(error instanceof BackendError && error.code === 'out_of_bounds')) this.say(this.explain(error), 'error');
    });
  }

  /** The own account id. */
  get me(): string | null {
    return this.account?.account ?? null;
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
      this.phase = 'main';
    } catch (error) {
      // A first start that was broken off after the lock was made: the name is still to be asked.
      if (error instanceof BackendError && error.code === 'no_account') this.phase = 'start';
      else this.#fail(error);
    }
  }

  async select(group: string): Promise<void> {
    if (this.open?.group === group) return;
    const conversation = new Conversation(this.backend, group);
    this.open = conversation;
    const unread = this.groups.find((known) => known.group === group)?.unread ?? 0;
    await this.attempt(() => conversation.open(unread));
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
    this.open = null;
    this.panel = false;
  }

  async change(settings: Partial<Settings>): Promise<void> {
    this.#apply({ ...this.settings, ...settings });
    await this.attempt(() => this.backend.settingsSet(this.settings));
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
    const groups = await this.backend.groupList();
    this.groups = groups;
    const unread = groups.reduce((sum, group) => sum + (group.muted ? 0 : group.unread), 0);
    document.title = unread === 0 ? 'Sori' : `(${unread}) Sori`;
  }

  join(id: string): JoinView | undefined {
    return this.joins.find((join) => join.id === id) ?? this.ended.get(id);
  }

  async refreshJoins(): Promise<void> {
    this.joins = await this.backend.joinList();
  }

  async #readAll(): Promise<void> {
    const [account, connection] = await Promise.all([this.backend.accountInfo(), this.backend.connection()]);
    this.account = account;
    this.connection = connection;
    await Promise.all([this.refreshList(), this.refreshJoins()]);
  }

  #on(event: Event): void {
    void this.attempt(() => this.#handle(event));
  }

  async #handle(event: Event): Promise<void> {
    const open = this.open;
    switch (event.event) {
      case 'connection_changed':
        this.connection = event.connection;
        return;
      case 'message_changed':
        if (open?.group === event.group) open.change(event.message);
        this.search.change(event.message);
        this.#listSoon();
        return;
      case 'message_new':
        this.#listSoon();
        if (open?.group === event.group) await open.refresh();
        return;
      case 'group_changed':
        this.#listSoon();
        if (open?.group === event.group) await this.#follow(open);
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
        await Promise.all([open?.refresh(), open?.refreshInfo()]);
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
