// Where tokens come from.

/** There is no token to try; a person has to give one. */
export class SignInRequired extends Error {
  override name = "SignInRequired";
}

/** Gives tokens. A plain function that returns one is a provider too. */
export interface TokenProvider {
  /** A token as new as can be had. Throws SignInRequired when a person has to give one. */
  fresh(): string | Promise<string>;
  /** The server refused the token that was given last. */
  reject?(): void;
  /** True when only a person can give another one, so that asking for it is of no use. */
  readonly manual?: boolean;
}

/** Makes a provider of what stands in for one. */
export function provider(of: TokenProvider | TokenProvider["fresh"]): TokenProvider {
  return typeof of === "function" ? { fresh: of } : of;
}
