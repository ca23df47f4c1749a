// When a client looks after its connection by itself: every second, and when a
// browser comes back, the tab to the front or the network.

/** Calls back whenever that happens, where there is a browser; returns what ends that. */
export function onWake(run: () => void): () => void {
  if (typeof document === "undefined") return () => {};
  const visible = () => { if (document.visibilityState === "visible") run(); };
  addEventListener("online", run);
  document.addEventListener("visibilitychange", visible);
  return () => {
    removeEventListener("online", run);
    document.removeEventListener("visibilitychange", visible);
  };
}

/** Looks as long as there is a connection to look after. */
export class Watch {
  #timer: ReturnType<typeof setInterval> | undefined;
  #unwatch = () => {};
  readonly #look: () => void;
  readonly #wake: () => void;

  constructor(look: () => void, wake: () => void) {
    this.#look = look;
    this.#wake = wake;
  }

  get on(): boolean {
    return this.#timer !== undefined;
  }

  start(): void {
    if (this.on) return;
    this.#timer = setInterval(this.#look, 1000);
    this.#unwatch = onWake(this.#wake);
  }

  /** Leaves nothing behind that keeps a process alive. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#unwatch();
  }
}
