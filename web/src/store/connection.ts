// One socket for all subscriptions: greeting, frames, heartbeats, and coming
// back. Rows are never taken away by a lost connection; only their age shows.

import { closing, fullJitter, mayRetry } from "./closing.ts";
import {
  parseMessage, ProtocolError, SUBPROTOCOL, VERSION,
  type ClientFrame, type Delta, type ErrorFrame, type Frame, type Heartbeat, type Reset, type Welcome,
} from "./protocol.ts";
import type { Row } from "./rows.ts";
import { ServerClock } from "./serverclock.ts";
import type { Subscription, Verdict } from "./subscription.ts";
import { SignInRequired, type Tokens } from "./tokens.ts";

/** What the connection needs of a WebSocket. */
export type Socket = Pick<WebSocket, "send" | "close" | "onopen" | "onmessage" | "onclose">;

export interface Options {
  readonly url: string;
  readonly client: string;
  readonly tokens: Pick<Tokens, "fresh" | "reject" | "pasteOnly">;
  readonly open?: (url: string, protocol: string) => Socket;
  readonly random?: () => number;
  /** Called when the link or a subscription's phase has changed. */
  readonly onChange?: () => void;
}

/** stopped: closed for good, by a code that is not retried; signin: a person must give a token. */
export type Link = "connecting" | "open" | "waiting" | "stopped" | "signin";

const handshakeMs = 10_000;
const steadyMs = 5_000; // up this long, a connection counts as good and backoff starts over
const resetGraceMs = 15_000; // how long a snapshot may take to come after a reset

export class Connection {
  link: Link = "connecting";
  why = "";
  /** When waiting: the time of the next try. */
  retryAt = 0;
  /** The socket was open and silent for two heartbeats; true until something is heard or a try fails. */
  frozen = false;
  /** The token runs out soon and only a person can give another. */
  wantsToken = false;
  lastFrameAt: number | null = null;
  hbMs = 20_000;
  quarantined = 0;
  readonly clock = new ServerClock();
  /** Messages of a subscription that is no longer ours, for the curious. */
  foreign = 0;

  #subs: Subscription<Row>[] = [];
  #strikes = new Map<Subscription<Row>, { count: number; at: number }>();
  #socket: Socket | null = null;
  #greeted = false;
  #generation = 0;
  #attempt = 0;
  #upSince = 0;
  #nextSid = 1;
  #base = 500;
  #max = 20_000;
  #leaveAt = 0;
  #timers = new Set<ReturnType<typeof setTimeout>>();
  #watchdog: ReturnType<typeof setInterval> | undefined;
  readonly #open: NonNullable<Options["open"]>;
  readonly #random: () => number;

  constructor(private readonly options: Options) {
    this.#open = options.open ?? ((url, protocol) => new WebSocket(url, protocol));
    this.#random = options.random ?? Math.random;
  }

  /** Adds a subscription; on an open socket it is asked for at once. */
  add<R extends Row>(sub: Subscription<R>): void {
    const any = sub as unknown as Subscription<Row>;
    this.#subs.push(any);
    if (this.#greeted) this.#send({ t: "sub", ...any.request(this.#nextSid++) });
  }

  start(): void {
    this.#watchdog ??= setInterval(() => this.#watch(), 1000);
    this.#connect();
  }

  stop(): void {
    clearInterval(this.#watchdog);
    this.#watchdog = undefined;
    this.#drop();
  }

  /** Tries again now, whatever stopped it: a person asked. */
  retryNow(): void {
    if (this.link !== "open") this.#connect();
  }

  /** The tab came to the front or the network came back: what was waiting need not wait longer. */
  wake(): void {
    if (this.link === "waiting") {
      this.#attempt = 0;
      this.#retry(this.why);
    } else if (this.link === "open" && this.#silence() > this.hbMs * 1.25) {
      this.#freeze();
    }
  }

  /** Sends the token that a person gave for one that is running out. */
  async renew(): Promise<void> {
    const generation = this.#generation;
    try {
      const token = await this.options.tokens.fresh();
      if (generation !== this.#generation) return;
      this.wantsToken = false;
      this.#send({ t: "auth", token });
    } catch {
      // The server closes with token_expired, and reconnecting asks again.
    }
    this.#changed();
  }

  async #connect(): Promise<void> {
    this.#drop();
    const generation = this.#generation;
    this.link = "connecting";
    this.#changed();
    try {
      const token = await this.options.tokens.fresh();
      if (generation === this.#generation) this.#dial(token);
    } catch (err) {
      if (generation !== this.#generation) return;
      if (err instanceof SignInRequired) this.#end("signin", "a token is needed");
      else this.#retry("the server cannot be reached");
    }
  }

  #dial(token: string): void {
    const socket = this.#open(this.options.url, SUBPROTOCOL);
    this.#socket = socket;
    socket.onopen = () => this.#greet(token);
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = (event) => this.#closed(event.code, event.reason);
    this.#after(handshakeMs, () => {
      if (this.link !== "open") this.#retry("the server did not answer");
    });
  }

  #greet(token: string): void {
    this.#greeted = true;
    const subs = this.#subs.map((sub) => sub.request(this.#nextSid++));
    this.#send({ t: "hello", v: VERSION, token, client: this.options.client, subs });
  }

  #receive(data: unknown): void {
    this.lastFrameAt = Date.now();
    this.frozen = false;
    try {
      for (const frame of parseMessage(data)) this.#handle(frame);
    } catch (err) {
      if (!(err instanceof ProtocolError)) throw err;
      this.#retry(`the server sent what this page cannot read (${err.message})`);
    }
  }

  #handle(frame: Frame): void {
    switch (frame.t) {
      case "welcome": return this.#welcome(frame);
      case "snap": return this.#toSub(frame.sid, (sub) => sub.snap(frame));
      case "live": return this.#toSub(frame.sid, (sub) => sub.live(frame));
      case "d": return this.#toSub(frame.sid, (sub) => this.#delta(sub, frame));
      case "hb": return this.#heartbeat(frame);
      case "reset": return this.#reset(frame);
      case "err": return this.#error(frame);
      case "authreq": return this.#authorize();
      case "goaway": return this.#goaway(frame.reconnectInMs);
    }
  }

  #welcome(frame: Welcome): void {
    this.link = "open";
    this.why = "";
    this.wantsToken = false;
    this.hbMs = frame.hbMs;
    this.#base = frame.baseMs;
    this.#max = frame.maxMs;
    this.clock.welcome(frame.now);
    this.#upSince = Date.now();
    this.#changed();
  }

  // A frame of a sid that is not ours any more is left alone: the answer to
  // the request that replaced it covers what it says.
  #toSub(sid: number, apply: (sub: Subscription<Row>) => Verdict): void {
    const sub = this.#subs.find((s) => s.sid === sid);
    if (!sub) {
      this.foreign++;
      return;
    }
    const phase = sub.phase;
    const verdict = apply(sub);
    if (verdict !== "ok") this.#resubscribe(sub, verdict);
    else if (sub.phase !== phase) this.#changed();
  }

  #delta(sub: Subscription<Row>, frame: Delta): Verdict {
    if (frame.ts !== undefined && sub.phase === "live" && !sub.catchingUp) this.clock.delta(frame.ts);
    return sub.delta(frame);
  }

  #heartbeat(frame: Heartbeat): void {
    this.clock.heartbeat(frame.now, frame.lagMs);
    this.quarantined = frame.quarantined;
    this.#send({ t: "pong" });
    for (const [sid, seq] of frame.q) {
      if (this.#subs.some((s) => s.sid === sid)) this.#toSub(sid, (sub) => sub.sent(seq));
    }
  }

  #reset(frame: Reset): void {
    this.#toSub(frame.sid, (sub) => {
      sub.reset();
      if (frame.code === "authz") sub.table.clear();
      this.#after(frame.retryMs + resetGraceMs, () => {
        if (sub.sid === frame.sid && sub.awaitingSnapshot) this.#resubscribe(sub, "restart");
      });
      return "ok";
    });
  }

  #error(frame: ErrorFrame): void {
    const sub = this.#subs.find((s) => s.sid === frame.sid);
    if (frame.code === "token_expired") this.#authorize();
    if (frame.code === "unauthenticated" && this.options.tokens.pasteOnly) this.wantsToken = true;
    if (!sub) {
      this.why = frame.msg || frame.code;
    } else if (mayRetry(frame.code)) {
      this.#resubscribe(sub, sub.position ? "gap" : "restart", frame.retryMs);
    } else {
      sub.refuse(frame.msg || frame.code);
    }
    this.#changed();
  }

  #authorize(): void {
    if (this.options.tokens.pasteOnly) {
      this.wantsToken = true;
      this.#changed();
    } else {
      void this.renew();
    }
  }

  // The server says when to come back; it closes before that, or we leave then.
  #goaway(inMs: number): void {
    this.#leaveAt = Date.now() + inMs;
    this.#after(inMs, () => this.#connect());
  }

  // Asks again under a new sid. The first time at once; a subscription that
  // keeps breaking waits longer each time.
  #resubscribe(sub: Subscription<Row>, verdict: Exclude<Verdict, "ok">, atLeastMs = 0): void {
    const wait = Math.max(atLeastMs, this.#strike(sub));
    const old = sub.sid;
    sub.sid = 0;
    sub.suspend();
    if (verdict === "restart") sub.forget();
    this.#send({ t: "unsub", sid: old });
    const ask = () => this.#send({ t: "sub", ...sub.request(this.#nextSid++) });
    if (wait === 0) ask();
    else this.#after(wait, ask);
    this.#changed();
  }

  #strike(sub: Subscription<Row>): number {
    const now = Date.now();
    const last = this.#strikes.get(sub);
    const count = last && now - last.at < 10_000 ? last.count + 1 : 0;
    this.#strikes.set(sub, { count, at: now });
    return count === 0 ? 0 : Math.max(1, fullJitter(count, this.#base, this.#max, this.#random));
  }

  #closed(code: number, reason: string): void {
    const end = closing(code, reason);
    if (end.token) this.options.tokens.reject();
    if (end.retry) this.#retry(end.why);
    else if (end.token && this.options.tokens.pasteOnly) this.#end("signin", end.why);
    else this.#end("stopped", end.why);
  }

  #end(link: "stopped" | "signin", why: string): void {
    this.#drop();
    this.frozen = false;
    this.link = link;
    this.why = why;
    this.#changed();
  }

  #retry(why: string): void {
    const now = Date.now();
    if (this.link === "connecting") this.frozen = false;
    if (this.link === "open" && now - this.#upSince >= steadyMs) this.#attempt = 0;
    const backoff = fullJitter(this.#attempt++, this.#base, this.#max, this.#random);
    const wait = this.#leaveAt > now ? this.#leaveAt - now : backoff;
    this.#drop();
    this.link = "waiting";
    this.why = why;
    this.retryAt = now + wait;
    this.#after(wait, () => this.#connect());
    this.#changed();
  }

  #watch(): void {
    if (this.link === "open" && this.#silence() > 2 * this.hbMs) this.#freeze();
  }

  // A socket that says nothing is not to be trusted: say so, and open another.
  #freeze(): void {
    this.frozen = true;
    this.#retry("the server has gone silent");
  }

  #silence(): number {
    return this.lastFrameAt === null ? 0 : Date.now() - this.lastFrameAt;
  }

  #drop(): void {
    this.#generation++;
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
    this.#leaveAt = 0;
    this.#greeted = false;
    this.#nextSid = 1;
    this.clock.forgetLag();
    for (const sub of this.#subs) sub.suspend();
    const socket = this.#socket;
    this.#socket = null;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  #send(frame: ClientFrame): void {
    if (this.#greeted) this.#socket?.send(JSON.stringify(frame));
  }

  // Timers belong to one connection: dropping it drops them.
  #after(ms: number, run: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      run();
    }, ms);
    this.#timers.add(timer);
  }

  #changed(): void {
    this.options.onChange?.();
  }
}
