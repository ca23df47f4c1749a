// Who wants to be told.

/**
 * A set of callbacks. One that throws stops neither the others nor the caller,
 * and what a callback brings about is told after what it was told: all hear the
 * same events in the same order.
 */
export class Listeners<E> {
  readonly #all = new Set<(event: E) => void>();
  /** What is being told, and what comes after it. */
  readonly #due: E[] = [];

  /** Adds a callback; returns what removes it. */
  add(run: (event: E) => void): () => void {
    this.#all.add(run);
    return () => this.#all.delete(run);
  }

  emit(event: E): void {
    this.#due.push(event);
    if (this.#due.length > 1) return;
    for (const next of this.#due) this.#tell(next);
    this.#due.length = 0;
  }

  #tell(event: E): void {
    for (const run of [...this.#all]) {
      if (!this.#all.has(run)) continue;
      try {
        run(event);
      } catch (err) {
        queueMicrotask(() => { throw err; });
      }
    }
  }
}
