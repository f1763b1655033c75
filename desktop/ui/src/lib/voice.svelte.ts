import type { Backend, How, Shape } from './backend';

/** Bars that are drawn of what is being recorded. */
const BARS_SHOWN = 60;
/** Shapes of voice messages that are kept. */
const SHAPES_MAX = 200;

export interface Recording {
  group: string;
  ms: number;
  /** How loud it was lately, the newest last. */
  bars: number[];
  full: boolean;
}

/** Voice messages: at most one is recorded, and at most one is played. */
export class Voice {
  readonly #backend: Backend;
  recording = $state.raw<Recording | null>(null);
  playing = $state.raw<{ message: string; ms: number } | null>(null);
  /** Where a voice message was paused, in milliseconds. */
  readonly #paused = new Map<string, number>();
  readonly #shapes = new Map<string, Promise<Shape>>();
  /** Which recording or playing is meant: what comes of an earlier one is passed over. */
  #turn = 0;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** The person has pressed: from now on the microphone is heard. */
  async begin(group: string): Promise<void> {
    this.silence();
    const turn = (this.#turn += 1);
    await this.#backend.voiceBegin(({ ms, loudness, full }) => {
      const now = this.recording;
      if (turn !== this.#turn || now === null) return;
      this.recording = { group, ms, full, bars: [...now.bars, loudness].slice(-BARS_SHOWN) };
    });
    if (turn === this.#turn) this.recording = { group, ms: 0, bars: [], full: false };
    else await this.#backend.voiceForget();
  }

  async send(how: How): Promise<void> {
    const now = this.recording;
    if (now === null) return;
    await this.#backend.voiceSend(now.group, how);
    this.#turn += 1;
    this.recording = null;
  }

  discard(): void {
    this.#turn += 1;
    if (this.recording === null) return;
    this.recording = null;
    void this.#backend.voiceForget().catch(() => undefined);
  }

  shape(group: string, message: string): Promise<Shape> {
    const known = this.#shapes.get(message);
    if (known !== undefined) return known;
    const shape = this.#backend.voiceShape(group, message);
    this.#shapes.set(message, shape);
    const [oldest] = this.#shapes.keys();
    if (this.#shapes.size > SHAPES_MAX && oldest !== undefined) this.#shapes.delete(oldest);
    shape.catch(() => this.#shapes.delete(message));
    return shape;
  }

  /** Where a voice message is, in milliseconds. */
  at(message: string): number {
    return this.playing?.message === message ? this.playing.ms : (this.#paused.get(message) ?? 0);
  }

  async play(group: string, message: string, from: number): Promise<void> {
    this.silence();
    const turn = (this.#turn += 1);
    this.playing = { message, ms: from };
    try {
      await this.#backend.voicePlay(group, message, Math.round(from), ({ ms, over }) => {
        if (turn !== this.#turn) return;
        if (over) this.#paused.delete(message);
        this.playing = over ? null : { message, ms };
      });
    } catch (error) {
      if (turn === this.#turn) this.playing = null;
      throw error;
    }
  }

  /** Stops what is played, where it is. */
  silence(): void {
    const now = this.playing;
    if (now === null) return;
    this.#turn += 1;
    this.#paused.set(now.message, now.ms);
    this.playing = null;
    void this.#backend.voiceStop().catch(() => undefined);
  }

  /** Forgets everything, as when the profile is locked. */
  end(): void {
    this.discard();
    this.silence();
    this.#paused.clear();
    this.#shapes.clear();
  }
}
