import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Panel } from "../src/panel.ts";
import { marked } from "../e2e/data.ts";
import { row, settle } from "../client/test/harness.ts";

interface Question {
  readonly id: string;
  readonly signal: AbortSignal;
  answer(entries: number, status?: number): Promise<unknown>;
  fail(): Promise<unknown>;
}

let asked: Question[];
let panel: Panel;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
  asked = [];
  panel = new Panel({ current: async () => "t", fresh: async () => "t" }, (url, init) =>
    new Promise((resolve, reject) => {
      const id = /^\/v1\/(?:shipments\/|(?=orders))(.*)\/timeline$/.exec(url)?.[1] ?? "";
      asked.push({
        id, signal: init?.signal as AbortSignal,
        answer: (entries, status = 200) => {
          const body = status === 200 ? { shipment: row(id), entries: marked(id).slice(0, entries), next: "" } : { title: "no", detail: "no such thing", status };
          resolve(new Response(JSON.stringify(body), { status }));
          return settle();
        },
        fail: () => { reject(new TypeError("network")); return settle(); },
      });
    }));
});

afterEach(() => { vi.useRealTimers(); });

function shown(): [string, number | undefined, boolean, string] {
  const { id, timeline, loading, error } = panel.state.value;
  return [id, timeline?.entries.length, loading, error];
}

async function show(id: string, kind: "shipments" | "orders" = "shipments"): Promise<void> {
  panel.show(kind, id);
  await settle();
}

describe("the panel", () => {
  test("asks for the timeline of the row that was chosen", async () => {
    await show("a");
    expect(shown()).toEqual(["a", undefined, true, ""]);
    await asked[0]?.answer(3);
    expect(shown()).toEqual(["a", 3, false, ""]);
  });

  test("keeps what it shows while it asks again, at most once a second", async () => {
    await show("a");
    await asked[0]?.answer(3);
    for (let i = 0; i < 20; i++) panel.refresh();
    await vi.advanceTimersByTimeAsync(999);
    expect(asked).toHaveLength(1);
    await vi.advanceTimersByTimeAsync(1);
    expect(asked).toHaveLength(2);
    expect(shown()).toEqual(["a", 3, true, ""]);
    await asked[1]?.answer(4);
    expect(shown()).toEqual(["a", 4, false, ""]);
  });

  test("lets a slow answer come, and asks again if the row has changed meanwhile", async () => {
    await show("a");
    for (let i = 0; i < 5; i++) {
      panel.refresh();
      await vi.advanceTimersByTimeAsync(2000);
    }
    expect(asked).toHaveLength(1);
    expect(asked[0]?.signal.aborted).toBe(false);
    await asked[0]?.answer(3);
    expect(shown()[1]).toBe(3);
    expect(asked).toHaveLength(2);
  });

  test("takes an order and a shipment of one id for two", async () => {
    await show("a");
    await asked[0]?.answer(3);
    await show("a", "orders");
    await vi.advanceTimersByTimeAsync(1000);
    expect(asked.map((q) => q.id)).toEqual(["a", "orders/a"]);
    expect(shown()).toEqual(["a", undefined, true, ""]);
  });

  test("knows when it asked for what it shows", async () => {
    await show("a");
    const at = Date.now();
    await vi.advanceTimersByTimeAsync(700);
    await asked[0]?.answer(3);
    expect(panel.state.value.readAt).toBe(at);
  });

  test("shows no answer for a row that was left", async () => {
    await show("a");
    await vi.advanceTimersByTimeAsync(1000);
    await show("b");
    await asked[0]?.answer(3);
    expect(asked[0]?.signal.aborted).toBe(true);
    expect(shown()).toEqual(["b", undefined, true, ""]);
    await asked[1]?.answer(5);
    expect(shown()).toEqual(["b", 5, false, ""]);
  });

  test("asks only for the row at which someone stops who runs through them", async () => {
    await show("a");
    for (const id of ["b", "c", "d", "e"]) {
      await vi.advanceTimersByTimeAsync(50);
      await show(id);
    }
    await vi.advanceTimersByTimeAsync(500);
    expect(asked.map((q) => q.id)).toEqual(["a", "e"]);
  });

  test("keeps an older timeline when asking again fails, and says so", async () => {
    await show("a");
    await asked[0]?.answer(3);
    panel.refresh();
    await vi.advanceTimersByTimeAsync(1000);
    await asked[1]?.fail();
    expect(shown()).toEqual(["a", 3, false, "the server cannot be reached"]);
    panel.refresh();
    await vi.advanceTimersByTimeAsync(1000);
    await asked[2]?.answer(4);
    expect(shown()).toEqual(["a", 4, false, ""]);
  });

  test("says that there is no such shipment in the server's words", async () => {
    await show("a");
    await asked[0]?.answer(0, 404);
    expect(shown()).toEqual(["a", undefined, false, "no such thing"]);
    expect(panel.state.value.missing).toBe(true);
  });

  test("asks for nothing when it is closed", async () => {
    await show("a");
    await show("");
    panel.refresh();
    await vi.advanceTimersByTimeAsync(5000);
    expect(asked).toHaveLength(1);
    expect(shown()).toEqual(["", undefined, false, ""]);
  });
});
