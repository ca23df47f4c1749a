import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Rig, row, settle } from "./harness.ts";

let rig: Rig;

beforeEach(() => {
  vi.useFakeTimers({ now: Date.UTC(2026, 2, 1, 10) });
  rig = new Rig();
});

afterEach(() => {
  rig.client.stop();
  vi.useRealTimers();
});

function state(): string {
  return rig.client.state(rig.sub);
}

describe("a token", () => {
  test("is renewed on the open socket when the server asks", async () => {
    await rig.live(100, row("a"));
    rig.socket.say({ t: "authreq", within_ms: 25_000 });
    await settle();
    expect(rig.socket.last("auth")).toEqual({ t: "auth", token: "token-2" });
    expect(state()).toBe("live");
  });

  test("that only a person can renew is asked for while data goes on", async () => {
    await rig.live(100, row("a"));
    rig.tokens.manual = true;
    rig.socket.say({ t: "authreq", within_ms: 25_000 });
    await settle();
    expect(rig.client.wantsToken).toBe(true);
    expect(rig.socket.last("auth")).toBeUndefined();
    await rig.client.renew();
    expect(rig.socket.last("auth")).toEqual({ t: "auth", token: "token-2" });
    expect(rig.client.wantsToken).toBe(false);
  });

  test("that a person gave for a running connection and the server refused is asked for again", async () => {
    await rig.live(100, row("a"));
    rig.tokens.manual = true;
    await rig.client.renew();
    rig.socket.say({ t: "err", code: "unauthenticated", msg: "the token was not accepted", retry_ms: 0 });
    expect(rig.client.wantsToken).toBe(true);
    expect(state()).toBe("live");
  });

  test("that turns out to need a person, when the server asks, is asked for while data goes on", async () => {
    await rig.live(100, row("a"));
    rig.tokens.needsPerson = true;
    rig.socket.say({ t: "authreq", within_ms: 25_000 });
    await settle();
    expect([rig.client.wantsToken, state()]).toEqual([true, "live"]);
  });

  test("that does not come is not waited for without end", async () => {
    const answers: ((token: string) => void)[] = [];
    rig = new Rig({ token: () => new Promise((answer) => answers.push(answer)) });
    await rig.start();
    await vi.advanceTimersByTimeAsync(29_000);
    expect(rig.client.link).toBe("connecting");
    await vi.advanceTimersByTimeAsync(2_000);
    expect(answers).toHaveLength(2);
    answers[0]?.("late");
    answers[1]?.("token-2");
    await settle();
    expect(rig.sockets).toHaveLength(1);
    expect(rig.welcome().token).toBe("token-2");
  });

  test("that expired is left behind and a fresh one tried", async () => {
    await rig.live(100, row("a"));
    rig.socket.end(4005);
    expect(rig.tokens.rejected).toBe(1);
    await vi.advanceTimersByTimeAsync(500);
    expect(rig.welcome().token).toBe("token-2");
  });

  test("that nobody has yet is waited for", async () => {
    rig.tokens.needsPerson = true;
    await rig.start();
    await vi.advanceTimersByTimeAsync(60_000);
    expect(state()).toBe("signin");
    expect(rig.sockets).toHaveLength(0);
    rig.tokens.needsPerson = false;
    rig.client.retryNow();
    await settle();
    expect(rig.sockets).toHaveLength(1);
  });

  test("that a person gave and the server refused is asked for again", async () => {
    rig.tokens.manual = true;
    await rig.start();
    rig.socket.open();
    rig.socket.end(4501);
    expect(state()).toBe("signin");
    expect(rig.tokens.rejected).toBe(1);
  });
});
