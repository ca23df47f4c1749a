import { SignInRequired } from "@waybill-io/client";
import { describe, expect, test } from "vitest";
import { fetchTimeline, Problem } from "../src/store/timeline.ts";
import { Tokens, type Fetch } from "../src/store/tokens.ts";
import { marked } from "../e2e/data.ts";

function storage(initial: Record<string, string> = {}): Pick<Storage, "getItem" | "setItem" | "removeItem"> & { items: Map<string, string> } {
  const items = new Map(Object.entries(initial));
  return {
    items,
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => { items.set(key, value); },
    removeItem: (key) => { items.delete(key); },
  };
}

function answers(...list: [number, unknown][]): { fetch: Fetch; asked: { url: string; init: RequestInit | undefined }[] } {
  const asked: { url: string; init: RequestInit | undefined }[] = [];
  const fetch: Fetch = async (url, init) => {
    asked.push({ url, init });
    const [status, body] = list[Math.min(asked.length, list.length) - 1] ?? [500, {}];
    return new Response(JSON.stringify(body), { status });
  };
  return { fetch, asked };
}

describe("tokens", () => {
  test("come from a development server, a fresh one each time, and are not stored", async () => {
    const { fetch, asked } = answers([200, { token: "one", tenant: "demo" }], [200, { token: "two", tenant: "demo" }]);
    const store = storage();
    const tokens = new Tokens(fetch, store);
    expect([await tokens.fresh(), await tokens.current(), await tokens.fresh()]).toEqual(["one", "one", "two"]);
    expect(asked.map((a) => [a.url, a.init?.method])).toEqual([["/dev/token", "POST"], ["/dev/token", "POST"]]);
    expect(tokens.tenant).toBe("demo");
    expect(store.items.size).toBe(0);
  });

  test("are asked of a person where no server hands them out, and kept for the tab", async () => {
    const { fetch, asked } = answers([404, {}]);
    const store = storage();
    const tokens = new Tokens(fetch, store);
    await expect(tokens.fresh()).rejects.toThrow(SignInRequired);
    tokens.paste("given");
    expect(await tokens.fresh()).toBe("given");
    expect([...store.items.values()]).toEqual(["given"]);
    expect(asked).toHaveLength(1);
    tokens.reject();
    await expect(tokens.fresh()).rejects.toThrow(SignInRequired);
  });

  test("given earlier in this tab are used again", async () => {
    const tokens = new Tokens(answers([404, {}]).fetch, storage({ "waybill.token": "earlier" }));
    expect(await tokens.fresh()).toBe("earlier");
  });

  test.each<[string, [number, unknown]]>([["a server error", [503, {}]], ["an answer without a token", [200, {}]]])(
    "are worth another try after %s", async (_, answer) => {
      const tokens = new Tokens(answers(answer).fetch, storage({ "waybill.token": "earlier" }));
      await expect(tokens.fresh()).rejects.not.toThrow(SignInRequired);
      expect(tokens.manual).toBe(false);
    });
});

describe("a timeline", () => {
  const tokens = { current: async () => "old", fresh: async () => "new" };
  const signal = new AbortController().signal;
  const row = { id: "shp_9", v: 1, status: "in_transit" };

  test("is read with every mark", async () => {
    const { fetch, asked } = answers([200, { shipment: row, entries: marked("shp_9"), next: "" }]);
    const { shipment, entries } = await fetchTimeline("shipments", "shp_9", tokens, fetch, signal);
    expect(asked[0]?.url).toBe("/v1/shipments/shp_9/timeline");
    expect(new Headers(asked[0]?.init?.headers).get("authorization")).toBe("Bearer old");
    expect(shipment?.id).toBe("shp_9");
    expect(entries).toHaveLength(12);
    const marks = entries.map((e) => [e.id, e.late, e.duplicateOf?.id, e.retractedBy?.id, e.class, ...e.anomalies].filter((m) => m !== undefined && m !== false));
    expect(marks.slice(3, 7)).toEqual([["evt-4", true, "ACT"], ["evt-5", "evt-4", "ACT"], ["evt-6", "EST"], ["evt-7", "evt-9", "ACT"]]);
    expect(marks.at(-1)).toEqual(["evt-13", "ACT", "regression"]);
  });

  test("of several pages is put together", async () => {
    const [one, two] = [marked("a").slice(0, 1), marked("a").slice(1, 2)];
    const { fetch, asked } = answers([200, { shipment: row, entries: one, next: "c/1" }], [200, { shipment: row, entries: two, next: "" }]);
    const { entries, whole } = await fetchTimeline("shipments", "a/b", tokens, fetch, signal);
    expect(whole).toBe(true);
    expect(entries.map((e) => e.id)).toEqual(["evt-1", "evt-2"]);
    expect(asked.map((a) => a.url)).toEqual(["/v1/shipments/a%2Fb/timeline", "/v1/shipments/a%2Fb/timeline?cursor=c%2F1"]);
  });

  test("of an order comes with the order", async () => {
    const order = { ...row, id: "o/1", status: "delivered", flags: ["over_shipped"], holds: ["fraud"] };
    const { fetch, asked } = answers([200, { order, entries: marked("s").slice(0, 2), next: "" }]);
    const timeline = await fetchTimeline("orders", "o/1", tokens, fetch, signal);
    expect(asked[0]?.url).toBe("/v1/orders/o%2F1/timeline");
    expect([timeline.shipment, timeline.order?.flags, timeline.order?.holds, timeline.entries.length]).toEqual([null, ["over_shipped"], ["fraud"], 2]);
  });

  test("that has no end is cut, and says so", async () => {
    const { fetch, asked } = answers([200, { shipment: row, entries: marked("a").slice(0, 1), next: "on" }]);
    const { entries, whole } = await fetchTimeline("shipments", "a", tokens, fetch, signal);
    expect([asked.length, entries.length, whole]).toEqual([20, 20, false]);
  });

  test("is asked for once more with a fresh token when the old one is refused", async () => {
    const { fetch, asked } = answers([401, { code: "token_expired" }], [200, { shipment: row, entries: [], next: "" }]);
    await fetchTimeline("shipments", "a", tokens, fetch, signal);
    expect(asked.map((a) => new Headers(a.init?.headers).get("authorization"))).toEqual(["Bearer old", "Bearer new"]);
  });

  test("that there is not comes as the server's problem", async () => {
    const { fetch } = answers([404, { code: "not_found", title: "Shipment not found", detail: "no shipment a", status: 404 }]);
    await expect(fetchTimeline("shipments", "a", tokens, fetch, signal)).rejects.toEqual(new Problem(404, "not_found", "no shipment a"));
  });

  test.each<[string, object]>([["an id", { id: "" }], ["a type", { type: undefined }], ["a time", { occurred_at: "yesterday" }]])(
    "with an entry without %s is refused", async (_, wrong) => {
      const { fetch } = answers([200, { shipment: row, entries: [{ ...(marked("a")[0] as object), ...wrong }], next: "" }]);
      await expect(fetchTimeline("shipments", "a", tokens, fetch, signal)).rejects.toThrow("timeline entry");
    });
});
