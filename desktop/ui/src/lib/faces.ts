import type { Backend } from './backend';

/** Sides of what is read, in dots: twice the largest that is shown. */
const SIDE = 128;
/** Most pictures that are kept; then all are read again. */
const KEPT_MAX = 400;

/** Pictures of groups as dots, each read once. */
export class Faces {
  readonly #backend: Backend;
  readonly #kept = new Map<string, Promise<ImageData>>();

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** `picture` is the name of what is wanted: another name is another picture. */
  of(group: string, picture: string): Promise<ImageData> {
    const known = this.#kept.get(picture);
    if (known !== undefined) return known;
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    const read = this.#backend.groupAvatar(group, SIDE);
    this.#kept.set(picture, read);
    // What failed is tried again the next time.
    read.catch(() => this.#kept.delete(picture));
    return read;
  }

  clear(): void {
    this.#kept.clear();
  }
}
