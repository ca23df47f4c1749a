// Where the page's token comes from: a development server hands one out, else
// a person pastes one, which lives no longer than the tab.

import { SignInRequired, type TokenProvider } from "@waybill-io/client";

const stored = "waybill.token";

export type Fetch = (url: string, init?: RequestInit) => Promise<Response>;

export class Tokens implements TokenProvider {
  #current: string | null = null;
  #manual = false;
  tenant = "";

  constructor(
    private readonly fetch: Fetch,
    private readonly storage: Pick<Storage, "getItem" | "setItem" | "removeItem">,
  ) {}

  /** True when no server hands out tokens here, so that only a person can renew one. */
  get manual(): boolean {
    return this.#manual;
  }

  /** The newest token there is, for a plain request. */
  async current(): Promise<string> {
    return this.#current ?? (await this.fresh());
  }

  /** A token as new as can be had. Throws SignInRequired when a person has to give one. */
  async fresh(): Promise<string> {
    const issued = this.#manual ? null : await this.#issue();
    const token = issued ?? this.storage.getItem(stored);
    if (!token) throw new SignInRequired("a token is needed");
    this.#current = token;
    return token;
  }

  paste(token: string): void {
    this.storage.setItem(stored, token);
    this.#current = token;
  }

  /** Forgets a token that the server refused. */
  reject(): void {
    this.#current = null;
    if (this.#manual) this.storage.removeItem(stored);
  }

  // Any refusal means that this is not a development server for this page;
  // a server error or no answer is worth another try and throws.
  async #issue(): Promise<string | null> {
    const response = await this.fetch("/dev/token", { method: "POST", signal: AbortSignal.timeout(10_000) });
    if (response.status >= 400 && response.status < 500) {
      this.#manual = true;
      return null;
    }
    if (!response.ok) throw new Error(`ask for a token: status ${response.status}`);
    const body = (await response.json()) as { token?: unknown; tenant?: unknown };
    if (typeof body.token !== "string" || body.token === "") throw new Error("ask for a token: answer without one");
    this.tenant = typeof body.tenant === "string" ? body.tenant : "";
    return body.token;
  }
}
