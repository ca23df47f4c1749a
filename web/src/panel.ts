// The open timeline: asked for when a row is chosen, again when its row changes.

import { signal } from "@preact/signals";
import { fetchTimeline, Problem, type Timeline } from "./store/timeline.ts";
import type { Fetch, Tokens } from "./store/tokens.ts";

export interface PanelState {
  readonly id: string;
  readonly timeline: Timeline | null;
  readonly loading: boolean;
  readonly error: string;
  readonly missing: boolean;
}

const none: PanelState = { id: "", timeline: null, loading: false, error: "", missing: false };
const againMs = 1000;

export class Panel {
  readonly state = signal<PanelState>(none);
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #askedAt = 0;

  constructor(private readonly tokens: Tokens, private readonly fetch: Fetch) {}

  /** Shows the timeline of a shipment, or none for "". */
  show(id: string): void {
    if (id === this.state.value.id) return;
    this.#abort?.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.state.value = { ...none, id };
    if (id) void this.#load();
  }

  /** Asks again, at most once a second; what is shown stays until the answer is there. */
  refresh(): void {
    if (!this.state.value.id || this.#timer !== undefined) return;
    const wait = Math.max(0, this.#askedAt + againMs - Date.now());
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#load();
    }, wait);
  }

  async #load(): Promise<void> {
    const { id } = this.state.value;
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.#askedAt = Date.now();
    this.state.value = { ...this.state.value, loading: true };
    try {
      const timeline = await fetchTimeline(id, this.tokens, this.fetch, abort.signal);
      if (!abort.signal.aborted) this.state.value = { ...none, id, timeline };
    } catch (err) {
      if (abort.signal.aborted) return;
      const missing = err instanceof Problem && err.status === 404;
      this.state.value = { ...this.state.value, loading: false, error: words(err), missing };
    }
  }
}

function words(err: unknown): string {
  if (err instanceof TypeError) return "the server cannot be reached";
  return err instanceof Error ? err.message : String(err);
}
