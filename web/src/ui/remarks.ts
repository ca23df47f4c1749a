// What is to be said of an entry beyond what happened: a badge for each mark,
// and a sentence that says what it means here.

import type { Entry } from "@waybill-io/client";
import { targetOf, type Told } from "../store/history.ts";
import { roughly, wall } from "./format.ts";
import { anomaly, oddities, reasons, typeLabel, zone, type Meaning, type Oddity } from "./words.ts";

export type Tone = "bad" | "warn" | "note" | "plain";

/** A mark in words; without a label it has no badge. */
export interface Remark extends Oddity {
  readonly code: string;
  readonly tone: Tone;
  /** The entry that the sentence is about, when the timeline has it. */
  readonly about: Entry | null;
}

/** An entry in words, for a sentence about another one. */
export function title(entry: Entry): string {
  const at = wall(entry.occurredAt, entry.precision);
  return `“${typeLabel(entry.type)}” of ${[at.day, at.time].filter(Boolean).join(", ")}`;
}

export function remarks(told: Told): Remark[] {
  const { entry } = told;
  return [
    ...expected(entry),
    ...(entry.retractedBy ? [takenBack(told)] : []),
    ...(told.corrects ? [correction(told.corrects)] : []),
    ...(entry.duplicateOf ? [copy(told)] : []),
    ...entry.anomalies.map((code) => remark(code, "warn", anomaly(code))),
    ...(entry.unmatched ? [remark("unmatched", "warn", oddities.unmatched)] : []),
    ...retraction(told),
    ...(entry.late ? [late(entry)] : []),
    ...doubt(entry),
  ];
}

function remark(code: string, tone: Tone, what: Meaning & { readonly still?: boolean }, text = what.text, about: Entry | null = null): Remark {
  return { code, tone, label: what.label, text, still: what.still ?? false, about };
}

function expected(entry: Entry): Remark[] {
  return entry.class === "EST" || entry.class === "PLN" ? [remark(entry.class, "note", oddities[entry.class])] : [];
}

function takenBack({ retraction, replacement }: Told): Remark {
  const reason = reasons[String(retraction?.data["reason"])];
  const text = `It was taken back${reason ? `: ${reason}` : ""}${replacement ? `; instead there is ${title(replacement)}` : ""}.`;
  return remark("retracted", "bad", oddities.retracted, text, replacement ?? retraction);
}

function correction(wrong: Entry): Remark {
  return remark("correction", "note", oddities.correction, `It comes in place of ${title(wrong)}, which was taken back.`, wrong);
}

function copy({ entry, original }: Told): Remark {
  const source = entry.duplicateOf?.source ?? "";
  return remark("duplicate", "plain", oddities.duplicate, `It says the same as ${entry.duplicateOf?.id} of ${source}, which counts in its place.`, original);
}

function retraction({ entry, target }: Told): Remark[] {
  const named = targetOf(entry);
  if (!named) return [];
  const taken = target?.retractedBy;
  const reason = reasons[String(entry.data["reason"])];
  const why = reason ? `: ${reason}` : "";
  const plain: Meaning = { label: "", text: `It takes back ${named.id} of ${named.source}, which is not in this timeline${why}.` };
  if (!target) return [remark("retraction", "plain", plain)];
  const acts = taken?.id === entry.id && taken.source === entry.source;
  return [remark("retraction", "plain", plain, acts ? `It takes back ${title(target)}${why}.` : `It names ${title(target)}, and is not what took that back.`, target)];
}

function late(entry: Entry): Remark {
  const by = Date.parse(entry.ingestedAt) - Date.parse(entry.occurredAt);
  const known = by > 0 && entry.precision !== "day";
  const label = known ? `late · ${roughly(by)} after` : oddities.late.label;
  return { ...remark("late", "warn", oddities.late), label };
}

function doubt(entry: Entry): Remark[] {
  const said = zone(entry.tzSource);
  if (said.doubt === "") return [];
  return [remark(`zone_${entry.tzSource}`, said.doubt === "mild" ? "note" : "warn", said)];
}
