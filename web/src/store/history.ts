// How the entries of a timeline hang together: what takes back what, what came
// in its place, and which shipment a scan by number is of.

import type { Entry, Ref } from "@waybill-io/client";

/** An entry with the entries that it has to do with, as far as the timeline has them. */
export interface Told {
  readonly entry: Entry;
  /** The shipment that it is of; "" for what is of the order itself. */
  readonly shipment: string;
  /** Of a copy: the entry that counts. */
  readonly original: Entry | null;
  /** Of what was taken back: the retraction, and what says it right. */
  readonly retraction: Entry | null;
  readonly replacement: Entry | null;
  /** Of what says it right: what was wrong. */
  readonly corrects: Entry | null;
  /** Of a retraction: what it takes back. */
  readonly target: Entry | null;
}

export const retracted = /^event\.retracted\.v\d+$/;
const assigned = /^shipment\.tracking_assigned\.v\d+$/;

/** Relates the entries of one timeline, in their order. */
export function tell(entries: readonly Entry[]): Told[] {
  const peers = streams(entries);
  const find = (of: Entry, ref: Ref | null) => (ref && peers(of).find((e) => e.id === ref.id && e.source === ref.source)) ?? null;
  const holders = entries.filter((e) => assigned.test(e.type) && e.stream === "shipment" && e.retractedBy === null);
  const corrected = new Map<Entry, Entry>();
  const linked = entries.map((entry) => {
    const retraction = find(entry, entry.retractedBy);
    const replacement = retraction && replacing(retraction, entry, peers(entry));
    if (replacement) corrected.set(replacement, entry);
    return { entry, shipment: shipmentOf(entry, holders), original: find(entry, entry.duplicateOf), retraction, replacement };
  });
  return linked.map((one) => ({ ...one, corrects: corrected.get(one.entry) ?? null, target: find(one.entry, targetOf(one.entry)) }));
}

/** The entries of the same stream as a given one. */
function streams(entries: readonly Entry[]): (of: Entry) => readonly Entry[] {
  const all = new Map<string, Entry[]>();
  const name = (e: Entry) => `${e.stream} ${e.streamId}`;
  for (const entry of entries) {
    const same = all.get(name(entry));
    if (same) same.push(entry);
    else all.set(name(entry), [entry]);
  }
  return (of) => all.get(name(of)) ?? [];
}

/** What a retraction names. */
export function targetOf(entry: Entry): Ref | null {
  const [source, id] = [entry.data["retracted_source"], entry.data["retracted_id"]];
  return retracted.test(entry.type) && typeof source === "string" && typeof id === "string" ? { source, id } : null;
}

// A retraction names only the id of what comes in its target's place: of
// several sources that use this id its own is meant, then the target's.
function replacing(retraction: Entry, target: Entry, peers: readonly Entry[]): Entry | null {
  const named = peers.filter((e) => e.id === retraction.data["replaced_by"] && e !== target && e !== retraction);
  const by = (source: string) => named.find((e) => e.source === source);
  return by(retraction.source) ?? by(target.source) ?? named[0] ?? null;
}

function shipmentOf(entry: Entry, holders: readonly Entry[]): string {
  if (entry.stream === "shipment") return entry.streamId;
  if (entry.stream !== "tracking") return "";
  const said = entry.data["shipment_id"];
  return holderOf(entry, holders)?.streamId ?? (typeof said === "string" ? said : "");
}

// The server said which parcel had the number then; only where several
// shipments have a parcel of that name does the time decide.
function holderOf(entry: Entry, holders: readonly Entry[]): Entry | undefined {
  const number = entry.streamId.split(":").at(-1);
  const held = holders.filter((h) => h.data["tracking_number"] === number);
  const same = held.filter((h) => h.parcel === entry.parcel);
  return same.findLast((h) => since(h) <= Date.parse(entry.occurredAt)) ?? same[0] ?? held[0];
}

function since(holder: Entry): number {
  const from = holder.data["valid_from"];
  return Date.parse(typeof from === "string" && from !== "" ? from : holder.occurredAt);
}
