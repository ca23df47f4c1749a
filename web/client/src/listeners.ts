// Who wants to be told.

/** A set of callbacks. One that throws stops neither the others nor the caller. */
export class Listeners<E> {
  readonly #all = new Set<(event: E) => void>();

  /** Adds a callback; returns what removes it. */
  add(run: (event: E) => void): () => void {
    this.#all.add(run);
    return () => this.#all.delete(run);
  }

  emit(event: E): void {
    for (const run of [...this.#all]) {
      try {
        run(event);
      } catch (err) {
        queueMicrotask(() => { throw err; });
      }
    }
  }
}
