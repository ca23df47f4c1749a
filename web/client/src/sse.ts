// The way over server-sent events, for networks that let no WebSocket through.
// It is read with fetch: an EventSource could not send the token in a header.

import { LOST } from "./closing.ts";
import { EventParser, type StreamEvent } from "./eventstream.ts";
import { isFields } from "./fields.ts";
import type { Greeting } from "./frames.ts";
import type { Ending, LinkEvents, Transport } from "./transport.ts";

/** What the client needs of fetch. */
export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

const lost: Ending = { code: LOST, reason: "" };

const longest = 4_000; // what proxies take for sure as an address

/**
 * The way over event streams of a URL. Nothing can be sent on one: what is
 * wanted stands in its address, the token in a header. The server has no stream
 * of nothing, so that none is opened before there is something to ask for.
 */
export function eventStream(url: string, fetch: Fetch): Transport {
  return (greeting, on) => {
    const abort = new AbortController();
    const greets = greeting();
    if (greets.subs.length > 0) void follow(url, greets, fetch, on, abort.signal);
    return { duplex: false, send: () => {}, close: () => abort.abort() };
  };
}

async function follow(url: string, greeting: Greeting, fetch: Fetch, on: LinkEvents, signal: AbortSignal): Promise<void> {
  const end = await stream(url, greeting, fetch, (data) => { if (!signal.aborted) on.message(data); }, signal).catch(() => lost);
  if (!signal.aborted) on.closed(end);
}

async function stream(
  url: string, greeting: Greeting, fetch: Fetch, message: (data: string) => void, signal: AbortSignal,
): Promise<Ending> {
  const [address, init] = request(url, greeting);
  const response = await fetch(address, { ...init, signal, cache: "no-store" });
  if (!response.ok) return refusal(response);
  if (!response.body || !response.headers.get("content-type")?.startsWith("text/event-stream")) {
    await response.body?.cancel();
    return { code: LOST, reason: "something else than a stream answered" };
  }
  for await (const event of events(response.body)) {
    if (event.name === "close") return ending(event.data);
    if (event.name === "message") message(event.data);
  }
  return lost;
}

/** What is wanted as a GET, or as a POST where the address would be too long. */
function request(url: string, greeting: Greeting): [url: string, init: RequestInit] {
  const headers = { Accept: "text/event-stream", Authorization: `Bearer ${greeting.token}` };
  const address = `${url}?${new URLSearchParams(greeting.subs.map((sub) => ["sub", JSON.stringify(sub)]))}`;
  if (address.length <= longest) return [address, { headers }];
  const body = JSON.stringify({ subs: greeting.subs });
  return [url, { method: "POST", headers: { ...headers, "Content-Type": "application/json" }, body }];
}

async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const parser = new EventParser();
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    for (let part = await reader.read(); !part.done; part = await reader.read()) {
      yield* parser.push(decoder.decode(part.value, { stream: true }));
    }
  } finally {
    void reader.cancel().catch(() => {});
  }
}

function ending(data: string): Ending {
  const o = object(data);
  const { code, reason } = o;
  return { code: typeof code === "number" ? code : LOST, reason: typeof reason === "string" ? reason : "" };
}

/**
 * The close code that stands for an answer without a stream. Only a problem
 * document is the server's own word; whatever else a proxy says in its place is
 * a way that leads nowhere.
 */
async function refusal(response: Response): Promise<Ending> {
  const problem = object(await response.text());
  const { code, detail } = problem;
  const seconds = Number(response.headers.get("retry-after") ?? "");
  return {
    code: typeof code === "string" ? codeOf(response.status, code) : LOST,
    reason: typeof detail === "string" ? detail : "",
    ...(seconds > 0 && { afterMs: seconds * 1000 }),
  };
}

function codeOf(status: number, code: string): number {
  switch (status) {
    case 401: return code === "token_expired" ? 4005 : 4501;
    case 403: return 4502;
    case 429:
    case 503: return 4006;
    default: return status >= 400 && status < 500 ? 4500 : LOST;
  }
}

function object(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : {};
  } catch {
    return {};
  }
}
