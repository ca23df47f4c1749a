// Numbers, times and ages as text. Formatters are made once: making one costs
// a hundred times what using it does.

const locale = "en-GB"; // the page's words are English; its times are 24-hour
const whole = new Intl.NumberFormat(locale);
const clock = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit" });
const clockSeconds = new Intl.DateTimeFormat(locale, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
const day = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short" });
const dayYear = new Intl.DateTimeFormat(locale, { day: "numeric", month: "short", year: "numeric" });
const full = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "long" });
const utc = { timeZone: "UTC" } as const;
const wallDay = new Intl.DateTimeFormat(locale, { ...utc, weekday: "short", day: "numeric", month: "short", year: "numeric" });
const wallMinute = new Intl.DateTimeFormat(locale, { ...utc, hour: "2-digit", minute: "2-digit" });
const wallSecond = new Intl.DateTimeFormat(locale, { ...utc, hour: "2-digit", minute: "2-digit", second: "2-digit" });

/** The viewer's own zone, in which the table's times stand. */
export const viewerZone = new Intl.DateTimeFormat(locale).resolvedOptions().timeZone;

export function number(n: number): string {
  return whole.format(n);
}

/** A time as short as it can be told: today 14:32, this year 3 Mar 14:32, else the date. */
export function moment(at: number, now: number): string {
  if (dayYear.format(at) === dayYear.format(now)) return clock.format(at);
  if (Math.abs(now - at) < 300 * 86_400_000) return `${day.format(at)} ${clock.format(at)}`;
  return dayYear.format(at);
}

export function exact(at: number): string {
  return full.format(at);
}

export function timeOfDay(at: number): string {
  return clockSeconds.format(at);
}

/** A length of time in its two largest units. */
export function duration(ms: number): string {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} m ${pad(s % 60)} s`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h} h ${pad(m % 60)} m`;
  return `${Math.floor(h / 24)} d ${pad(h % 24)} h`;
}

/** A length of time in its largest unit. */
export function roughly(ms: number): string {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.round(s / 60)} m`;
  if (s < 48 * 3600) return `${Math.round(s / 3600)} h`;
  return `${Math.round(s / 86_400)} d`;
}

function pad(n: number): string {
  return String(n).padStart(2, "0");
}

/** A scan's time on the wall clock of the place where it happened. */
export interface Wall {
  readonly day: string;
  /** Empty when only the day is known. */
  readonly time: string;
  /** The offset from UTC as the source gave it, such as "+01:00" or "UTC". */
  readonly offset: string;
}

const offsetPattern = /(Z|[+-]\d\d:?\d\d)$/i;

/** Reads a timestamp on its own clock: never in the viewer's zone, no finer than the source knew it. */
export function wall(timestamp: string, precision: string): Wall {
  const offset = offsetPattern.exec(timestamp)?.[1] ?? "Z";
  const local = Date.parse(timestamp.replace(offsetPattern, "") + "Z");
  const at = Number.isNaN(local) ? Date.parse(timestamp) : local;
  const zero = /^(Z|[+-]00:?00)$/i.test(offset);
  return { day: wallDay.format(at), time: wallTime(at, precision), offset: zero ? "UTC" : offset.replace("-", "−") };
}

function wallTime(at: number, precision: string): string {
  if (precision === "day") return "";
  if (precision === "hour") return `~${wallMinute.format(at)}`;
  return (precision === "second" || precision === "millisecond" ? wallSecond : wallMinute).format(at);
}
