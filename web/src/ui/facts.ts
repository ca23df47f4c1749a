// What the data of an event says to a person, whatever its type.

import { wall } from "./format.ts";
import { spell } from "./words.ts";

type Data = Readonly<Record<string, unknown>>;

function field(o: unknown, key: string): string {
  if (typeof o !== "object" || o === null) return "";
  const v = (o as Data)[key];
  return typeof v === "string" ? v : "";
}

function joined(parts: readonly string[], by: string): string {
  return parts.filter((p) => p !== "").join(by);
}

/** Where it happened, as exactly as the source says. */
export function place(data: Data): string {
  const at = data["location"];
  const name = field(at, "name") || field(at, "city") || field(data, "facility") || field(data, "place");
  return joined([name, field(at, "region"), field(at, "country")], ", ") || field(at, "unlocode");
}

/** The carrier's own code, or what it wrote. */
export function raw(data: Data): string {
  const said = data["raw"];
  const code = joined([field(said, "status"), field(said, "reason"), field(said, "partner_code")], " / ");
  return joined([field(said, "standard"), code], " ") || field(said, "text");
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

/** The rest that matters: why, until when, to whom, by whom. */
export function note(data: Data): string {
  const carrier = field(data["carrier"], "scac");
  const number = field(data, "tracking_number");
  const words = ["reason_code", "party", "severity", "handed_to", "provider", "direction", "mode"].map((key) => spell(field(data, key)));
  return joined([
    window(data["window"]),
    number && joined([carrier, number], " "),
    ...words,
    data["action_required"] === true ? "Action required" : "",
    typeof data["attempt_no"] === "number" ? `Attempt ${data["attempt_no"]}` : "",
  ], " · ");
}
