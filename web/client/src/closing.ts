// What a close code or an error code means, and whether the client comes back.

/** Why a connection closed, in words for the person at the screen. */
export class ConnectionClosed extends Error {
  override name = "ConnectionClosed";
  readonly code: number;
  /** What the server said, if it did. */
  readonly reason: string;
  /** False when the client does not come back by itself. */
  readonly retry: boolean;
  /** The token is at fault: another is needed before the next try. */
  readonly token: boolean;

  constructor(code: number, reason = "") {
    super(known[code] ?? (reason || `the connection closed (${code})`));
    this.code = code;
    this.reason = reason;
    this.retry = !final.has(code) && (code < 4500 || code > 4999);
    this.token = tokenCodes.has(code);
  }
}

/** The server ended or refused a subscription, and asking again in this way is of no use. */
export class SubscriptionRefused extends Error {
  override name = "SubscriptionRefused";
  readonly code: string;

  constructor(code: string, message: string) {
    super(message || code);
    this.code = code;
  }
}

/** The connection broke without a word. */
export const LOST = 1006;

const known: Readonly<Record<number, string>> = {
  1001: "the server went away",
  1002: "the server could not read a frame",
  1003: "the server takes no binary messages",
  1006: "the connection was lost",
  1007: "the server had a message that is not UTF-8",
  1009: "the server had a message that was too large",
  1012: "the server is restarting",
  4001: "the server is draining",
  4002: "the server had no answer",
  4003: "the rows were read too slowly",
  4004: "the server had an internal error",
  4005: "the token expired",
  4006: "the server is overloaded",
  4007: "permissions changed",
  4500: "the server did not understand",
  4501: "the token was not accepted",
  4502: "this token may not read live updates",
  4503: "too many connections for this user",
  4504: "the server waited too long for the greeting",
  4505: "the token was revoked",
  4506: "the server speaks another version",
};

const final = new Set([1002, 1003, 1007, 1009]);
const tokenCodes = new Set([4005, 4501, 4505]);
const retryable = new Set(["rate_limited", "overloaded", "internal", "token_expired"]);

/** Says whether asking again can succeed after an err frame. */
export function mayRetry(code: string): boolean {
  return retryable.has(code);
}
