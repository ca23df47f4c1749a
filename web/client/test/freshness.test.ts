import { describe, expect, test } from "vitest";
import { isStale, linkState, shownState, type LinkState, type Phase, type State } from "@waybill-io/client";
import { lagLimitMs } from "../src/freshness.ts";

function stateOf(facts: { link?: LinkState; frozen?: boolean; lag?: number; phase?: Phase; loaded?: boolean }): State {
  const { link = "open", frozen = false, lag = 0, phase = "live", loaded = true } = facts;
  return linkState({ link, frozen, clock: { lagMs: () => lag } }, { phase, loaded }, 0);
}

describe("the state of the data", () => {
  test.each<[State, Parameters<typeof stateOf>[0]]>([
    ["live", {}],
    ["live", { lag: lagLimitMs }],
    ["lagging", { lag: lagLimitMs + 1 }],
    ["connecting", { link: "connecting", phase: "waiting", loaded: false }],
    ["connecting", { phase: "waiting", loaded: false }],
    ["reconnecting", { link: "connecting", phase: "waiting" }],
    ["reconnecting", { link: "waiting", phase: "waiting" }],
    ["reconnecting", { phase: "waiting" }],
    ["frozen", { link: "waiting", phase: "waiting", frozen: true }],
    ["frozen", { link: "connecting", phase: "waiting", frozen: true }],
    ["refused", { phase: "refused" }],
    ["stopped", { phase: "closed" }],
    ["stopped", { link: "stopped", phase: "waiting", frozen: true }],
    ["signin", { link: "signin", phase: "waiting" }],
  ])("is %s for %j", (want, facts) => {
    expect(stateOf(facts)).toBe(want);
  });

  test("is paused when a person pauses, unless only a person can bring data back", () => {
    const all: State[] = ["connecting", "live", "lagging", "reconnecting", "frozen", "refused", "stopped", "signin"];
    expect(all.filter((s) => shownState(s, true) !== "paused")).toEqual(["refused", "stopped", "signin"]);
    expect(all.map((s) => shownState(s, false))).toEqual(all);
  });

  test("dims the rows exactly when they may have been overtaken", () => {
    const all: State[] = ["connecting", "live", "lagging", "reconnecting", "frozen", "paused", "refused", "stopped", "signin"];
    expect(all.filter(isStale)).toEqual(["reconnecting", "frozen", "refused", "stopped"]);
  });
});
