// Objects as they come off the wire, read field by field.

/** A message that breaks the protocol. Nothing of such a message is applied. */
export class ProtocolError extends Error {
  override name = "ProtocolError";
}

/** An object of which nothing is known yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** Says whether a value is an object, and neither null nor a list. */
export function isFields(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/**
 * Reads the fields of one object. A field of another kind than asked for
 * throws ProtocolError; so does one that is missing, unless the method says
 * what stands for it. Null is as good as missing.
 */
export class Reader {
  readonly #fields: Fields;
  readonly #what: string;

  /** What names the object in errors. */
  constructor(fields: Fields, what: string) {
    this.#fields = fields;
    this.#what = what;
  }

  /** Says whether the field is there. */
  has(key: string): boolean {
    return this.#fields[key] !== undefined && this.#fields[key] !== null;
  }

  text(key: string): string {
    const v = this.#fields[key];
    if (typeof v !== "string") throw this.wrong(key, "a string");
    return v;
  }

  textOr(key: string, otherwise: string): string {
    return this.has(key) ? this.text(key) : otherwise;
  }

  number(key: string): number {
    const v = this.#fields[key];
    if (typeof v !== "number" || !Number.isFinite(v)) throw this.wrong(key, "a number");
    return v;
  }

  numberOr(key: string, otherwise: number): number {
    return this.has(key) ? this.number(key) : otherwise;
  }

  /** A whole number from zero on. */
  count(key: string): number {
    const v = this.#fields[key];
    if (typeof v !== "number" || !Number.isSafeInteger(v) || v < 0) throw this.wrong(key, "a whole number");
    return v;
  }

  countOr<T>(key: string, otherwise: T): number | T {
    return this.has(key) ? this.count(key) : otherwise;
  }

  flag(key: string): boolean {
    const v = this.#fields[key];
    if (typeof v !== "boolean") throw this.wrong(key, "true or false");
    return v;
  }

  flagOr(key: string, otherwise: boolean): boolean {
    return this.has(key) ? this.flag(key) : otherwise;
  }

  /** A time as milliseconds since 1970, or null where there is none. */
  instant(key: string): number | null {
    const v = this.textOr(key, "");
    if (v === "") return null;
    const at = Date.parse(v);
    if (Number.isNaN(at)) throw this.wrong(key, "a time");
    return at;
  }

  object(key: string): Fields {
    const v = this.#fields[key];
    if (!isFields(v)) throw this.wrong(key, "an object");
    return v;
  }

  /** A list, empty where there is none. */
  list(key: string): readonly unknown[] {
    if (!this.has(key)) return [];
    const v = this.#fields[key];
    if (!Array.isArray(v)) throw this.wrong(key, "a list");
    return v;
  }

  texts(key: string): readonly string[] {
    const list = this.list(key);
    if (list.some((v) => typeof v !== "string")) throw this.wrong(key, "a list of strings");
    return list as readonly string[];
  }

  /** The error of a field that is not what was wanted. */
  wrong(key: string, want: string): ProtocolError {
    return new ProtocolError(`${this.#what}: ${key} is not ${want}`);
  }
}
