/** Runs what it is given one after another, in the order in which it was given. */
export class InTurn {
  #last: Promise<unknown> = Promise.resolve();

  run<T>(act: () => Promise<T>): Promise<T> {
    const next = this.#last.then(act);
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** Over when all is over that was given until now. */
  async idle(): Promise<void> {
    await this.#last;
  }
}
