// The entries of the topics that are logs, as the read API's timelines have them.

import { isFields, ProtocolError, type Fields } from "./fields.ts";

/** Names another entry of the same stream. */
export interface Ref {
  readonly source: string;
  readonly id: string;
}

/** One fact of a timeline, and how it counts. */
export interface Entry {
  /** Its identity as one string. */
  readonly key: string;
  /** What kind of thing it was reported of: order, shipment or tracking. */
  readonly stream: string;
  readonly streamId: string;
  readonly source: string;
  readonly id: string;
  readonly type: string;
  /** ACT happened, EST is estimated, PLN is planned. */
  readonly class: string;
  /** As the source wrote it, with its own offset. */
  readonly occurredAt: string;
  readonly tzSource: string;
  readonly precision: string;
  readonly recordedAt: string;
  readonly ingestedAt: string;
  readonly late: boolean;
  readonly parcel: string;
  readonly data: Readonly<Record<string, unknown>>;
  readonly duplicateOf: Ref | null;
  readonly retractedBy: Ref | null;
  readonly anomalies: readonly string[];
  readonly unmatched: boolean;
}

/** An exceptional entry, and what it is of; "" where that is not known. */
export interface Alert extends Entry {
  readonly shipment: string;
  readonly order: string;
}

/** The identity of an entry (stream, stream id, source, id) as one string. */
export function identityKey(parts: readonly string[]): string {
  return JSON.stringify(parts);
}

function text(o: Fields, key: string): string {
  const v = o[key];
  return typeof v === "string" ? v : "";
}

function ref(value: unknown): Ref | null {
  return isFields(value) && text(value, "id") !== "" ? { source: text(value, "source"), id: text(value, "id") } : null;
}

function texts(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((v): v is string => typeof v === "string") : [];
}

/**
 * Reads an entry. Without an id, a type and a time it throws ProtocolError;
 * whatever else is missing or odd is left out, for no list is worth more
 * without it.
 */
export function parseEntry(value: unknown): Entry {
  if (!isFields(value) || text(value, "id") === "" || text(value, "type") === "" || Number.isNaN(Date.parse(text(value, "occurred_at")))) {
    throw new ProtocolError("timeline entry without id, type or time");
  }
  const marks = isFields(value["marks"]) ? value["marks"] : {};
  return {
    key: identityKey([text(value, "stream"), text(value, "stream_id"), text(value, "source"), text(value, "id")]),
    stream: text(value, "stream"),
    streamId: text(value, "stream_id"),
    source: text(value, "source"),
    id: text(value, "id"),
    type: text(value, "type"),
    class: text(value, "class") || "ACT",
    occurredAt: text(value, "occurred_at"),
    tzSource: text(value, "tz_source"),
    precision: text(value, "time_precision"),
    recordedAt: text(value, "recorded_at"),
    ingestedAt: text(value, "ingested_at"),
    late: value["arrived_late"] === true,
    parcel: text(value, "parcel_id"),
    data: isFields(value["data"]) ? value["data"] : {},
    duplicateOf: ref(marks["duplicate_of"]),
    retractedBy: ref(marks["retracted_by"]),
    anomalies: texts(marks["anomalies"]),
    unmatched: marks["unmatched"] === true,
  };
}

/** Reads an alert. */
export function parseAlert(value: unknown): Alert {
  const entry = parseEntry(value);
  const o = value as Fields;
  return { ...entry, shipment: text(o, "shipment"), order: text(o, "order") };
}
