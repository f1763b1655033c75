const SIGNS = ['keydown', 'mousedown', 'mousemove', 'wheel', 'touchstart'] as const;
/** How often it is looked whether the time is over; a clock that stood still, as in sleep, is noticed then. */
const LOOK_MS = 5_000;

/** Calls back when nobody has touched key or mouse for a while. */
export class Idle {
  readonly #over: () => void;
  readonly #now: () => number;
  #limitMs = 0;
  #last = 0;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(over: () => void, now: () => number = Date.now) {
    this.#over = over;
    this.#now = now;
  }

  /** From now on, after so many minutes; zero for never. */
  after(minutes: number): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    for (const sign of SIGNS) globalThis.removeEventListener?.(sign, this.#sign);
    this.#limitMs = minutes * 60_000;
    if (minutes <= 0) return;
    this.#last = this.#now();
    for (const sign of SIGNS) globalThis.addEventListener?.(sign, this.#sign, { passive: true });
    this.#timer = setInterval(() => this.look(), LOOK_MS);
  }

  /** Looks whether the time is over. */
  look(): void {
    if (this.#limitMs === 0 || this.#now() - this.#last < this.#limitMs) return;
    this.after(0);
    this.#over();
  }

  readonly #sign = (): void => {
    this.#last = this.#now();
  };
}
