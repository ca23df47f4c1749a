// What the data of an event says to a person, whatever its type.

import { number, wall } from "./format.ts";
import { reasons, spell } from "./words.ts";

type Data = Readonly<Record<string, unknown>>;

function isFields(value: unknown): value is Data {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function field(o: unknown, key: string): string {
  const v = isFields(o) ? o[key] : undefined;
  return typeof v === "string" ? v : "";
}

function amount(o: unknown, key: string): number | null {
  const v = isFields(o) ? o[key] : undefined;
  return typeof v === "number" && Number.isFinite(v) ? v : null;
}

function listed(o: Data, key: string): readonly unknown[] {
  const v = o[key];
  return Array.isArray(v) ? v : [];
}

function joined(parts: readonly string[], by: string): string {
  return parts.filter((p) => p !== "").join(by);
}

// A name often has the city in it, and the city the state. A short code only
// repeats what ends with it: "DE" is not said by "Casa de Campo".
function says(before: string, part: string): boolean {
  if (part.length <= 3) return before === part || /[\s,(]/.test(before.charAt(before.length - part.length - 1)) && before.endsWith(part);
  const [text, word] = [` ${before.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ")} `, part.toLowerCase().replace(/[^\p{L}\p{N}]+/gu, " ").trim()];
  return text.includes(` ${word} `);
}

function named(at: unknown, ...first: readonly string[]): string {
  const parts = [...first, ...["name", "city", "region", "country"].map((key) => field(at, key))].map((p) => p.trim());
  const said = parts.filter((part, i) => part !== "" && !parts.slice(0, i).some((before) => says(before, part)));
  return said.join(", ") || field(at, "unlocode");
}

/** Where it happened, as exactly as the source says, and nothing twice. */
export function place(data: Data): string {
  const [lat, lon] = [amount(data, "lat"), amount(data, "lon")];
  const near = amount(data, "accuracy");
  const point = lat === null || lon === null ? "" : `${lat.toFixed(4)}, ${lon.toFixed(4)}${near === null ? "" : ` ± ${number(Math.round(near))} m`}`;
  return named(data["location"], field(data, "facility"), field(data, "place")) || point;
}

const longest = 160;

/** What the carrier wrote: its own codes, such as "X12-214 AP/AG · 0405", and its words. */
export interface Raw {
  readonly code: string;
  readonly text: string;
}

export function raw(data: Data): Raw {
  const said = data["raw"];
  const codes = joined([joined([field(said, "status"), field(said, "reason")], "/"), field(said, "partner_code")], " · ");
  const text = field(said, "text").replace(/\s+/g, " ").trim();
  return { code: joined([field(said, "standard"), codes], " "), text: text.length > longest ? `${text.slice(0, longest)}…` : text };
}

/** A window of time on the clock that it was given in. */
function window(value: unknown): string {
  const [start, end] = [field(value, "start"), field(value, "end")];
  if (end === "") return "";
  const precision = field(value, "time_precision") || "minute";
  const until = wall(end, precision);
  if (precision === "day") return until.day;
  if (start === "") return `by ${until.day}, ${until.time} ${until.offset}`;
  const from = wall(start, precision);
  const second = from.day === until.day ? until.time : `${until.day}, ${until.time}`;
  return `${from.day}, ${from.time} – ${second} ${until.offset}`;
}

function instant(value: string): string {
  if (value === "" || Number.isNaN(Date.parse(value))) return "";
  const at = wall(value, "minute");
  return `${at.day}, ${at.time} ${at.offset}`;
}

const few = 3;

/** Quantities by line: one by one when they are few. An amendment gives new totals. */
function units(rows: readonly unknown[], totals: boolean): string {
  const quantities = rows.map((row) => amount(row, "qty") ?? 0);
  if (rows.length > few) return `${number(quantities.reduce((a, b) => a + b, 0))} units in ${number(rows.length)} lines`;
  return rows.map((row, i) => {
    const line = joined([field(row, "order_id"), `line ${field(row, "line_id")}`], " ");
    return totals ? `${line} now ${quantities[i]}` : `${line} × ${quantities[i]}`;
  }).join(", ");
}

function ids(data: Data, key: string): string {
  return listed(data, key).filter((id) => typeof id === "string").join(", ");
}

function labelled(label: string, text: string): string {
  return text && `${label} ${text}`;
}

function counted(n: number, one: string, many: string): string {
  return n === 0 ? "" : `${number(n)} ${n === 1 ? one : many}`;
}

/** What moves, when and how much. */
function things(data: Data, type: string): string[] {
  const tracking = field(data, "tracking_number");
  const stops = amount(data, "stops_before");
  return [
    joined([field(data, "amount"), field(data, "amount") && field(data, "currency")], " "),
    window(data["window"]),
    labelled("promised", window(data["promised_window"])),
    labelled("wanted", window(data["requested_window"])),
    tracking && joined([field(data["carrier"], "scac"), tracking], " "),
    labelled("from", instant(field(data, "valid_from"))),
    labelled("until", instant(field(data, "pickup_deadline"))),
    counted(listed(data, "parcels").length, "parcel", "parcels"),
    units(listed(data, "lines").filter((row) => field(row, "line_id") !== ""), type.startsWith("order.amended.")),
    units(listed(data, "contents"), false),
    stops === null ? "" : `${counted(stops, "stop", "stops") || "no stops"} before`,
    labelled("to", named(data["destination"])),
  ];
}

/** Which other things it names. */
function links(data: Data): string[] {
  return [
    joined([ids(data, "from"), ids(data, "into")], " → "),
    joined([field(data, "original_shipment_id"), field(data, "new_shipment_id")], " → "),
    labelled("return", field(data, "return_id")),
    labelled("case", field(data, "exception_id")),
    labelled("at", field(data, "node")),
    labelled("proof", field(data, "pod_ref")),
  ];
}

const codes = ["reason_code", "party", "severity", "handed_to", "provider", "direction", "mode", "service", "channel"] as const;

/** Why, by whom and to whom. */
function why(data: Data): string[] {
  const reason = field(data, "reason"); // of a retraction, a remark says it
  const attempt = amount(data, "attempt_no");
  const confidence = amount(data, "confidence");
  return [
    ...codes.map((key) => spell(field(data, key))),
    reason in reasons ? "" : spell(reason),
    labelled("by", field(data, "by").replaceAll("_", " ")),
    data["action_required"] === true ? "Action required" : "",
    attempt === null ? "" : `Attempt ${attempt}`,
    confidence === null ? "" : `${Math.round(confidence * 100)} % sure`,
  ];
}

/** The rest that matters: what, until when, why, to whom, by whom. */
export function note(data: Data, type = ""): string {
  return joined([...things(data, type), ...links(data), ...why(data)], " · ");
}
