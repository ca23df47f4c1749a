import { describe, expect, test } from "vitest";
import { EventParser, type StreamEvent } from "../src/eventstream.ts";

function read(...pieces: string[]): StreamEvent[] {
  const parser = new EventParser();
  return pieces.flatMap((piece) => [...parser.push(piece)]);
}

describe("an event stream", () => {
  test("is a list of events, each of lines of data", () => {
    expect(read("id: 1:e:s:4\ndata: one\ndata: two\n\n", "event: close\ndata: {}\n\n")).toEqual([
      { name: "message", data: "one\ntwo" }, { name: "close", data: "{}" },
    ]);
  });

  test.each(["\n", "\r", "\r\n"])("may have lines that end with %j", (end) => {
    const text = ["data: one", "data: two", "", "data: three", "", "data: half"].join(end);
    expect(read(text).map((event) => event.data)).toEqual(["one\ntwo", "three"]);
  });

  test.each(["\n", "\r", "\r\n"])("says the same in pieces of any size, with lines that end with %j", (end) => {
    const text = `\uFEFF: hello${end}id: 1${end}data: one${end}data:two${end}${end}event: close${end}data: x: y${end}${end}`;
    const whole = read(text);
    expect(whole).toEqual([{ name: "message", data: "one\ntwo" }, { name: "close", data: "x: y" }]);
    for (let size = 1; size < 9; size++) {
      const pieces = text.match(new RegExp(`[^]{1,${size}}`, "g")) ?? [];
      expect(read(...pieces), `pieces of ${size}`).toEqual(whole);
    }
  });

  test("has comments and fields that say nothing, and events without data, which are none", () => {
    expect(read(":\n\n", ": alive\nretry: 5\nmood: fine\n\n", "event: close\n\n", "data\n\n")).toEqual([{ name: "message", data: "" }]);
  });

  test("that was cut off leaves its last event out", () => {
    expect(read('data: {"t":"d"', ',"sid":1}\n')).toEqual([]);
  });

  test("of one long line in many pieces is read in time that grows with its length", () => {
    const piece = "x".repeat(1_000);
    const parser = new EventParser();
    const events = Array.from({ length: 4_000 }, (_, i) => [...parser.push(i === 0 ? `data: ${piece}` : piece)]).flat();
    events.push(...parser.push("\n\n"));
    expect(events.map((event) => event.data.length)).toEqual([4_000_000]);
  });
});
