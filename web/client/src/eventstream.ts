// The text/event-stream format, as the HTML standard has it.

/** One event. Its id is not read: positions come in the frames. */
export interface StreamEvent {
  readonly name: string;
  readonly data: string;
}

/** Takes the text of a stream in pieces of any size. */
export class EventParser {
  /** The pieces of a line that has not ended. */
  #line: string[] = [];
  #name = "";
  #data: string[] = [];
  #begun = false;
  /** The piece before ended with a CR, so that an LF in front is of the same end. */
  #half = false;

  /** The events that a piece completes. */
  *push(piece: string): Generator<StreamEvent> {
    if (piece === "") return;
    let at = (this.#half && piece[0] === "\n") || (!this.#begun && piece[0] === "\uFEFF") ? 1 : 0;
    this.#begun = true;
    this.#half = piece.endsWith("\r");
    const eol = /\r\n|\r|\n/g;
    eol.lastIndex = at;
    for (let end = eol.exec(piece); end; end = eol.exec(piece)) {
      this.#line.push(piece.slice(at, end.index));
      at = eol.lastIndex;
      yield* this.#end();
    }
    if (at < piece.length) this.#line.push(piece.slice(at));
  }

  // An empty line ends an event.
  *#end(): Generator<StreamEvent> {
    const line = this.#line.join("");
    this.#line = [];
    if (line !== "") return this.#field(line);
    if (this.#data.length > 0) yield { name: this.#name || "message", data: this.#data.join("\n") };
    this.#name = "";
    this.#data = [];
  }

  #field(line: string): void {
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (field === "event") this.#name = value;
    else if (field === "data") this.#data.push(value);
  }
}
