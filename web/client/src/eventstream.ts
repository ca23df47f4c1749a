// The text/event-stream format, as the HTML standard has it.

/** One event. Its id is not read: positions come in the frames. */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/** Takes the text of a stream in pieces of any size. */
export class EventParser {
  #rest = "";
  #name = "";
  #data: string[] = [];
  #begun = false;
  #searched = 0; // so far there is no end of a line

  /** The events that a piece completes. */
  *push(piece: string): Generator<StreamEvent> {
    this.#rest += piece;
    if (!this.#begun && this.#rest !== "") {
      this.#begun = true;
      if (this.#rest.startsWith("\uFEFF")) this.#rest = this.#rest.slice(1);
    }
    for (let line = this.#line(); line !== null; line = this.#line()) {
      if (line === "") yield* this.#dispatch();
      else this.#field(line);
    }
  }

  // A line ends with CR, LF or both; a CR at the very end may be half of both.
  #line(): string | null {
    const eol = /[\r\n]/g;
    eol.lastIndex = this.#searched;
    const end = eol.exec(this.#rest)?.index ?? this.#rest.length;
    this.#searched = end;
    if (end === this.#rest.length || (this.#rest[end] === "\r" && end === this.#rest.length - 1)) return null;
    const line = this.#rest.slice(0, end);
    this.#rest = this.#rest.slice(end + (this.#rest.startsWith("\r\n", end) ? 2 : 1));
    this.#searched = 0;
    return line;
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
  }

  *#dispatch(): Generator<StreamEvent> {
    if (this.#data.length > 0) yield { name: this.#name || "message", data: this.#data.join("\n") };
    this.#name = "";
    this.#data = [];
  }
}
