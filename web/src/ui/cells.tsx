// What stands in the cells of both tables.

import type { ComponentChildren } from "preact";
import { useApp } from "./context.ts";
import { duration, exact, moment, roughly } from "./format.ts";
import { statusLabel } from "./words.ts";

export function Status({ status }: { status: string }) {
  return (
    <span class="status" data-tone={status}>
      <i class="dot" aria-hidden="true" />
      <span class="clip">{statusLabel(status)}</span>
    </span>
  );
}

export function None() {
  return <span class="none" title="not known">–</span>;
}

const tail = 11;

/** An id; when there is no room, its middle goes: what tells ids apart is often their end. */
export function Id({ id }: { id: string }) {
  if (id.length <= tail + 3) return <span class="clip">{id}</span>;
  return <span class="ends" title={id}><span class="clip">{id.slice(0, -tail)}</span><span>{id.slice(-tail)}</span></span>;
}

const agingMs = 24 * 3_600_000;
const oldMs = 72 * 3_600_000;

/** The time since something, ticking with the one clock of the page. */
export function Age({ at }: { at: number | null }) {
  const { now } = useApp();
  if (at === null) return <None />;
  const ms = now.value - at;
  const level = ms > oldMs ? "old" : ms > agingMs ? "aging" : "fresh";
  return <span class="age" data-level={level}>{duration(ms)}</span>;
}

export function Moment({ at }: { at: number }) {
  const { now } = useApp();
  return <time dateTime={new Date(at).toISOString()} title={exact(at)}>{moment(at, now.value)}</time>;
}

/** A time to come, with the way to it; or, when it has passed, by how much. */
export function Due({ at }: { at: number | null }) {
  const { now } = useApp();
  if (at === null) return <None />;
  const left = at - now.value;
  return (
    <span class="due">
      <Moment at={at} />
      <span class={left < 0 ? "late" : "soft"}>{left < 0 ? `${roughly(-left)} over` : `in ${roughly(left)}`}</span>
    </span>
  );
}

export function Badge({ tone, title, children }: { tone: "bad" | "warn" | "note" | "plain"; title?: string; children: ComponentChildren }) {
  return <span class="badge" data-tone={tone} title={title}>{children}</span>;
}

export function Fact({ label, children }: { label: string; children: ComponentChildren }) {
  return <div class="fact"><dt>{label}</dt><dd>{children}</dd></div>;
}
