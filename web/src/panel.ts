// The open timeline: asked for when a row is chosen or an id is looked up, again
// when its row changes.

import { signal } from "@preact/signals";
import type { Tab } from "./store/query.ts";
import { fetchTimeline, Problem, type Timeline } from "./store/timeline.ts";
import type { Fetch, Tokens } from "./store/tokens.ts";

export interface PanelState {
  readonly kind: Tab;
  readonly id: string;
  readonly timeline: Timeline | null;
  readonly loading: boolean;
  /** When the timeline was asked for, by this machine's clock. */
  readonly readAt: number;
  readonly error: string;
  readonly missing: boolean;
}

const none: PanelState = { kind: "shipments", id: "", timeline: null, loading: false, readAt: 0, error: "", missing: false };
const againMs = 1000; // between two questions about one shipment, at least
const hurryMs = 200; // someone runs through the rows: only where they stop is asked for

export class Panel {
  readonly state = signal<PanelState>(none);
  #abort: AbortController | null = null;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #askedAt = -Infinity;
  #asking = false;
  /** The row changed while the answer was on its way: it may be older than the row. */
  #overtaken = false;

  constructor(
    private readonly tokens: Pick<Tokens, "current" | "fresh">,
    private readonly fetch: Fetch,
  ) {}

  /** Shows the timeline of an order or a shipment, or none for "". */
  show(kind: Tab, id: string): void {
    if (id === this.state.value.id && (id === "" || kind === this.state.value.kind)) return;
    this.#abort?.abort();
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#asking = this.#overtaken = false;
    const hurried = Date.now() - this.#askedAt < hurryMs;
    this.#askedAt = Date.now();
    this.state.value = { ...none, kind, id, loading: id !== "" };
    if (id) this.#askIn(hurried ? hurryMs : 0);
  }

  /** Asks again, at most once a second; what is shown stays until the answer is there. */
  refresh(): void {
    if (!this.state.value.id || this.#timer !== undefined) return;
    if (this.#asking) this.#overtaken = true;
    else this.#askIn(Math.max(0, this.#askedAt + againMs - Date.now()));
  }

  #askIn(ms: number): void {
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      void this.#ask();
    }, ms);
  }

  async #ask(): Promise<void> {
    const abort = new AbortController();
    this.#abort = abort;
    this.#askedAt = Date.now();
    this.#asking = true;
    this.state.value = { ...this.state.value, loading: true };
    const answer = await this.#answer(abort.signal);
    if (abort.signal.aborted) return;
    this.#asking = false;
    this.state.value = { ...this.state.value, loading: false, ...answer };
    if (this.#overtaken) {
      this.#overtaken = false;
      this.refresh();
    }
  }

  async #answer(signal: AbortSignal): Promise<Partial<PanelState>> {
    const { kind, id } = this.state.value;
    const readAt = Date.now();
    try {
      return { timeline: await fetchTimeline(kind, id, this.tokens, this.fetch, signal), readAt, error: "", missing: false };
    } catch (err) {
      return { error: words(err), missing: err instanceof Problem && err.status === 404 };
    }
  }
}

function words(err: unknown): string {
  if (err instanceof TypeError) return "the server cannot be reached";
  return err instanceof Error ? err.message : String(err);
}
