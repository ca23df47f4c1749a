// What a close code or an error code means, and whether the client comes back.

/** Why a socket closed, in words for the person at the screen. */
export interface Closing {
  readonly code: number;
  readonly why: string;
  readonly retry: boolean;
  /** The token is at fault: fetch or ask for another before the next try. */
  readonly token: boolean;
}

const known: Record<number, string> = {
  1001: "the server went away",
  1006: "the connection was lost",
  1012: "the server is restarting",
  4001: "the server is draining",
  4002: "the server had no answer from this page",
  4003: "this page was too slow",
  4004: "the server had an internal error",
  4005: "the token expired",
  4006: "the server is overloaded",
  4007: "permissions changed",
  4500: "the server did not understand this page",
  4501: "the token was not accepted",
  4502: "this token may not read live updates",
  4503: "too many connections for this user",
  4504: "the server waited too long for the greeting",
  4505: "the token was revoked",
  4506: "this page speaks another version than the server: reload it",
};

const tokenCodes = new Set([4005, 4501, 4505]);

/** Reads a close code by its range: 4500-4999 end it, all others reconnect. */
export function closing(code: number, reason = ""): Closing {
  return {
    code,
    why: known[code] ?? (reason || `the connection closed (${code})`),
    retry: code < 4500 || code > 4999,
    token: tokenCodes.has(code),
  };
}

const retryable = new Set(["rate_limited", "overloaded", "internal", "token_expired"]);

/** Says whether asking again can succeed after an err frame. */
export function mayRetry(code: string): boolean {
  return retryable.has(code);
}

/** A wait drawn evenly from zero to the doubled ceiling, so that a storm of clients spreads out. */
export function fullJitter(attempt: number, baseMs: number, maxMs: number, random: () => number): number {
  const ceiling = Math.min(maxMs, baseMs * 2 ** Math.min(attempt, 30));
  return Math.floor(random() * ceiling);
}
