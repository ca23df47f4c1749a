// What is to happen later, as long as a connection lasts.

/** Timers that end together. */
export class Timers {
  readonly #all = new Set<ReturnType<typeof setTimeout>>();

  after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#all.delete(timer);
      run();
    }, ms);
    this.#all.add(timer);
  }

  clear(): void {
    for (const timer of this.#all) clearTimeout(timer);
    this.#all.clear();
  }
}
