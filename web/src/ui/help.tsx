// The keys, and what the words on the page mean.

import { useEffect, useRef } from "preact/hooks";
import { useApp } from "./context.ts";

const keys: readonly (readonly [string, string])[] = [
  ["j  k  ↓  ↑", "Next and previous row"],
  ["Home  End", "First and last row"],
  ["Enter", "Open or close the row's timeline"],
  ["Esc", "Close, then let go of the list"],
  ["/", "Search; Enter opens what is found, or looks its id up"],
  ["p", "Pause and resume"],
  [".", "Show rows that wait"],
  ["?", "This help"],
];

const meanings: readonly (readonly [string, string])[] = [
  ["Live", "Every committed change is on the screen."],
  ["Lagging", "The server is behind its own commits, by the time shown."],
  ["Reconnecting", "The connection is gone. Rows are as of the time shown; ages go on."],
  ["Frozen", "The connection looked open but said nothing. Another one is being opened."],
  ["Paused", "You hold the screen. Changes are counted and come in when you resume."],
];

export function Help() {
  const app = useApp();
  const dialog = useRef<HTMLDialogElement>(null);
  const open = app.help.value;
  useEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  return (
    <dialog ref={dialog} class="help" aria-labelledby="help-title" onClose={() => { app.help.value = false; }}>
      <h2 id="help-title">Keys</h2>
      <dl>{keys.map(([key, text]) => <><dt>{key.split("  ").map((k) => <kbd key={k}>{k}</kbd>)}</dt><dd>{text}</dd></>)}</dl>
      <h2>How fresh the data is</h2>
      <dl>{meanings.map(([word, text]) => <><dt>{word}</dt><dd>{text}</dd></>)}</dl>
      <button type="button" class="button" onClick={() => { app.help.value = false; }}>Close</button>
    </dialog>
  );
}
