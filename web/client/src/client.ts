// One connection for all subscriptions: greeting, frames, heartbeats, and coming
// back. Rows are never taken away by a lost connection; only their age shows.

import { Backoff } from "./backoff.ts";
import { ServerClock } from "./clock.ts";
import { ConnectionClosed } from "./closing.ts";
import type { ClientEvent, LinkState } from "./events.ts";
import { Feed } from "./feed.ts";
import { ProtocolError } from "./fields.ts";
import type { ClientFrame, ErrorFrame, Frame, Goaway, Heartbeat, Welcome } from "./frames.ts";
import { linkState, shownState, type State } from "./freshness.ts";
import { Listeners } from "./listeners.ts";
import { addresses, filterOf, type Options, type SubscribeOptions } from "./options.ts";
import { parseMessage } from "./parse.ts";
import { Roster } from "./roster.ts";
import { Route } from "./route.ts";
import { eventStream } from "./sse.ts";
import type { Subscription } from "./subscription.ts";
import { Table } from "./table.ts";
import { Timers } from "./timers.ts";
import { provider, SignInRequired, type TokenProvider } from "./tokens.ts";
import { topics, type Kind, type RowOf, type Topic } from "./topics.ts";
import type { Ending, Link, Transport, TransportName } from "./transport.ts";
import { Watch } from "./wake.ts";
import { probe, webSocket, type OpenSocket } from "./websocket.ts";

const handshakeMs = 10_000;
const tokenMs = 30_000; // how long a provider may take

/** Follows topics of one server. */
export class Client {
  link: LinkState = "connecting";
  /** Why the link is as it is, in words; "" when there is nothing to say. */
  why = "";
  /** How the last connection was closed, until there is another one. */
  error: ConnectionClosed | null = null;
  /** When waiting: the time of the next try. */
  retryAt = 0;
  /** The connection was open and silent for two heartbeats; true until something is heard or a try fails. */
  frozen = false;
  /** The token runs out soon and only a person can give another. */
  wantsToken = false;
  /** When something was heard last, by this machine's clock. */
  lastFrameAt: number | null = null;
  /** How often the server says something at least. */
  hbMs = 20_000;
  /** Partitions that the server does not read, so that rows may miss what they say. */
  quarantined = 0;
  readonly clock = new ServerClock();

  #connection: Link | null = null;
  #generation = 0;
  #leaveAt = 0;
  #woken = false; // since the last try
  #unprobe = () => {};
  readonly #timers = new Timers();
  readonly #watch = new Watch(() => this.#look(), () => this.wake());
  readonly #name: string;
  readonly #socketUrl: string;
  readonly #random: () => number;
  readonly #openSocket: OpenSocket;
  readonly #transports: Readonly<Record<TransportName, Transport>>;
  readonly #tokens: TokenProvider;
  readonly #backoff: Backoff;
  readonly #route: Route;
  readonly #roster: Roster;
  readonly #listeners = new Listeners<ClientEvent>();

  constructor(options: Options) {
    const { socket, stream } = addresses(options.url);
    const fetch = options.fetch ?? ((url, init) => globalThis.fetch(url, init));
    this.#name = options.name ?? "waybill-client";
    this.#socketUrl = socket;
    this.#random = options.random ?? Math.random;
    this.#openSocket = options.openSocket ?? ((url, protocol) => new WebSocket(url, protocol));
    this.#transports = { websocket: webSocket(socket, this.#openSocket), sse: eventStream(stream, fetch) };
    this.#tokens = provider(options.token);
    this.#backoff = new Backoff(this.#random);
    this.#route = new Route(options.transports ?? ["websocket", "sse"]);
    const line = {
      ask: (...frames: readonly ClientFrame[]) => this.#ask(frames),
      after: (ms: number, run: () => void) => { if (this.#connection) this.#timers.after(ms, run); },
      changed: () => this.#listeners.emit({ type: "changed" }),
    };
    this.#roster = new Roster(line, this.#backoff, this.clock);
  }

  /** The way that is gone now, or next. */
  get transport(): TransportName {
    return this.#route.way;
  }

  /** Frames that came for a subscription that was not ours any more. */
  get foreign(): number {
    return this.#roster.foreign;
  }

  /** Adds a subscription; on an open connection it is asked for at once. */
  subscribe<T extends Topic>(
    topic: T, ...[options]: T extends "timeline" ? [SubscribeOptions<T>] : [SubscribeOptions<T>?]
  ): Subscription<RowOf<T>> {
    const wanted = { topic, filter: filterOf(options), maxHz: options?.maxHz };
    const kind: Kind<RowOf<T>> = topics[topic];
    const table = (options?.table ?? new Table(kind)) as Table<RowOf<T>>;
    const feed = new Feed(wanted, kind, table, (closed) => this.#roster.remove(closed));
    this.#roster.add(feed);
    return feed;
  }

  /** Calls back with every event; returns what ends that. A callback may start, stop, retry and close what it likes. */
  listen(run: (event: ClientEvent) => void): () => void {
    return this.#listeners.add(run);
  }

  /** How far the rows of a subscription may be trusted now. */
  state(subscription: Subscription<unknown>): State {
    return shownState(linkState(this, subscription, Date.now()), subscription.table.paused);
  }

  /** Connects, and comes back by itself from then on. One that runs already goes on as it is. */
  start(): void {
    if (!this.#watch.on) void this.#connect();
  }

  /** Hangs up, and leaves nothing open. Rows and positions stay: a start goes on from there. One that has ended already stays as it is. */
  stop(): void {
    if (this.link !== "stopped") this.#end("stopped", "");
  }

  /** Tries again now, whatever stopped it: a person asked. */
  retryNow(): void {
    if (this.link !== "open") void this.#connect();
  }

  /** The tab came to the front or the network came back: what was waiting need not wait longer. In a browser the client sees that by itself. */
  wake(): void {
    if (this.link === "waiting" && !this.#woken) {
      this.#woken = true;
      this.#backoff.restart();
      this.#retry(this.why);
    } else if (this.link === "open" && this.#silence() > this.hbMs * 1.25) {
      this.#freeze();
    }
  }

  /** Sends a token on the open connection, for one that runs out. */
  async renew(): Promise<void> {
    if (!this.#connection?.duplex) return this.#connect();
    const generation = this.#generation;
    try {
      const token = await this.#tokens.fresh();
      if (generation !== this.#generation) return;
      this.wantsToken = false;
      this.#connection.send({ t: "auth", token });
    } catch (err) {
      // The server will close with token_expired, and reconnecting asks again.
      this.wantsToken ||= err instanceof SignInRequired;
    }
    this.#listeners.emit({ type: "changed" });
  }

  async #connect(): Promise<void> {
    const news = this.link !== "connecting" || !this.#watch.on;
    this.#leaveAt = 0;
    this.#woken = false;
    this.#watch.start();
    const generation = this.#leave("connecting", this.why, () => {
      this.#timers.after(tokenMs, () => { if (!this.#connection) this.#retry("no token came"); });
    });
    if (news) this.#tell(generation);
    if (generation !== this.#generation) return;
    try {
      const token = await this.#tokens.fresh();
      if (generation === this.#generation) this.#dial(token);
    } catch (err) {
      if (generation !== this.#generation) return;
      if (err instanceof SignInRequired) this.#end("signin", "a token is needed");
      else this.#retry("the server cannot be reached");
    }
  }

  #dial(token: string): void {
    const greeting = () => ({ token, client: this.#name, subs: this.#roster.requests() });
    const on = { message: (data: unknown) => this.#receive(data), closed: (end: Ending) => this.#closed(end) };
    try {
      this.#connection = this.#transports[this.#route.way](greeting, on);
    } catch {
      return this.#unwelcome("this way to the server cannot be taken"); // as where there is no WebSocket
    }
    this.#timers.after(handshakeMs, () => {
      if (this.link !== "open") this.#unwelcome("the server did not answer");
    });
  }

  #receive(data: unknown): void {
    this.lastFrameAt = Date.now();
    this.frozen = false;
    const generation = this.#generation;
    try {
      for (const frame of parseMessage(data)) if (generation === this.#generation) this.#handle(frame);
    } catch (err) {
      if (!(err instanceof ProtocolError)) throw err;
      this.#listeners.emit({ type: "protocol", error: err });
      if (generation === this.#generation) this.#retry(`the server sent what cannot be read (${err.message})`);
    }
  }

  #handle(frame: Frame): void {
    switch (frame.t) {
      case "welcome": return this.#welcome(frame);
      case "hb": return this.#heartbeat(frame);
      case "err": return this.#error(frame);
      case "authreq": return this.#authorize();
      case "goaway": return this.#goaway(frame);
      default: return this.#roster.handle(frame);
    }
  }

  #welcome(frame: Welcome): void {
    this.error = null;
    this.wantsToken = false;
    this.hbMs = frame.hbMs;
    this.#backoff.up(frame.baseMs, frame.maxMs);
    this.clock.welcome(frame.now);
    this.#route.welcomed();
    this.#probe();
    [this.link, this.why] = ["open", ""];
    this.#tell(this.#generation);
  }

  #heartbeat(frame: Heartbeat): void {
    this.clock.heartbeat(frame.now, frame.lagMs);
    this.quarantined = frame.quarantined;
    this.#connection?.send({ t: "pong" });
    this.#roster.heartbeat(frame);
  }

  #error(frame: ErrorFrame): void {
    const generation = this.#generation;
    if (frame.code === "token_expired") this.#authorize();
    if (generation !== this.#generation) return;
    if (frame.code === "unauthenticated" && this.#tokens.manual) this.wantsToken = true;
    if (this.#roster.error(frame)) return this.#listeners.emit({ type: "changed" });
    this.why = frame.msg || frame.code;
    this.#listeners.emit({ type: "error", code: frame.code, message: frame.msg });
  }

  #authorize(): void {
    if (!this.#tokens.manual) return void this.renew();
    this.wantsToken = true;
    this.#listeners.emit({ type: "changed" });
  }

  // The server says when to come back, and nothing but a person makes that
  // earlier. It closes before that, or we leave then.
  #goaway(frame: Goaway): void {
    this.#leaveAt = Date.now() + frame.reconnectInMs;
    this.#timers.after(frame.reconnectInMs, () => void this.#connect());
  }

  // On an event stream nothing can be asked for, so that it is opened anew, once
  // for all that is asked now.
  #ask(frames: readonly ClientFrame[]): void {
    const link = this.#connection;
    if (!link) return;
    if (link.duplex) frames.forEach((frame) => link.send(frame));
    else if (frames.some((frame) => frame.t === "sub")) this.#timers.after(0, () => void this.#connect());
  }

  #closed(end: Ending): void {
    const error = new ConnectionClosed(end.code, end.reason);
    const generation = this.#generation;
    this.error = error;
    this.#listeners.emit({ type: "closed", error });
    if (error.token) this.#tokens.reject?.();
    if (generation !== this.#generation) return;
    if (error.retry && this.link !== "open" && end.code < 4000) this.#unwelcome(error.message);
    else if (error.retry) this.#retry(error.message, end.afterMs);
    else if (error.token && this.#tokens.manual) this.#end("signin", error.message);
    else this.#end("stopped", error.message);
  }

  #end(link: "stopped" | "signin", why: string): void {
    this.#watch.stop();
    this.frozen = false;
    this.#tell(this.#leave(link, why));
  }

  // The way ended before it led anywhere: perhaps it is not for us.
  #unwelcome(why: string): void {
    this.#route.failed();
    this.#retry(why);
  }

  #retry(why: string, aloneMs = 0): void {
    const now = Date.now();
    if (this.link === "connecting") this.frozen = false;
    const wait = this.#leaveAt > now ? this.#leaveAt - now : aloneMs + this.#backoff.next();
    this.retryAt = now + wait;
    this.#tell(this.#leave("waiting", why, () => this.#timers.after(wait, () => void this.#connect())));
  }

  // On an event stream, now and then: whether a WebSocket would do by now.
  #probe(): void {
    const ms = this.#route.probeIn(this.#random);
    if (ms === null) return;
    this.#timers.after(ms, () => {
      this.#unprobe = probe(this.#socketUrl, this.#openSocket, (can) => {
        if (!can) return this.#probe();
        this.#route.opened();
        void this.#connect();
      });
    });
  }

  #look(): void {
    if (this.link === "open" && this.#silence() > 2 * this.hbMs) this.#freeze();
  }

  // A connection that says nothing is not to be trusted: say so, and open another.
  #freeze(): void {
    this.frozen = true;
    this.#retry("the server has gone silent");
  }

  #silence(): number {
    return this.lastFrameAt === null ? 0 : Date.now() - this.lastFrameAt;
  }

  // Leaves what there was for another state, whole before anybody hears of it:
  // a listener may start, stop or retry, and then that holds. Returns the
  // generation that began, which is over when one did.
  #leave(link: LinkState, why: string, next = () => {}): number {
    const generation = ++this.#generation;
    const connection = this.#connection;
    this.#timers.clear();
    this.#unprobe();
    this.clock.forgetLag();
    this.#connection = null;
    [this.link, this.why] = [link, why];
    connection?.close();
    next();
    this.#roster.suspend();
    return generation;
  }

  #tell(generation: number): void {
    if (generation === this.#generation) this.#listeners.emit({ type: "link", link: this.link });
  }
}
