// What a person has to know or do before data comes again.

import { useSignal } from "@preact/signals";
import type { State } from "@waybill-io/client";
import type { App } from "../app.ts";
import { useApp } from "./context.ts";
import { number, roughly, timeOfDay } from "./format.ts";

export function Notice() {
  const app = useApp();
  app.pulse.value;
  const link = app.link.value;
  if (link === "signin" || app.client.wantsToken) return <SignIn />;
  const text = words(app, link);
  const quarantined = app.client.quarantined;
  if (text === "" && quarantined > 0) {
    return <p class="notice" data-kind="quarantined">{number(quarantined)} {quarantined === 1 ? "record" : "records"} could not be read and {quarantined === 1 ? "is" : "are"} set aside; rows may miss what they say.</p>;
  }
  if (text === "") return null;
  return (
    <div class="notice" data-kind={link} data-testid="notice">
      <p>{text}</p>
      {link !== "refused" && <button type="button" class="button" onClick={() => app.client.retryNow()}>Try now</button>}
    </div>
  );
}

function asOf(app: App): string {
  const at = app.client.lastFrameAt;
  return at === null || !app.subscription.loaded ? "" : ` Rows are as of ${timeOfDay(at)}; ages go on.`;
}

function next(app: App): string {
  const { client } = app;
  if (client.link !== "waiting") return " Trying now.";
  const left = client.retryAt - Date.now();
  return left > 1000 ? ` Next try in ${roughly(left)}.` : " Trying now.";
}

function sentence(why: string): string {
  return why === "" ? "" : `${why.charAt(0).toUpperCase()}${why.slice(1)}.`;
}

function words(app: App, link: State): string {
  const { client } = app;
  switch (link) {
    case "connecting": return client.why === "" ? "" : sentence(client.why) + next(app);
    case "reconnecting": return client.link === "open" ? "" : sentence(client.why) + asOf(app) + next(app);
    case "frozen": return `${sentence(client.why)}${asOf(app)}${next(app)}`;
    case "stopped": return `${sentence(client.why)}${asOf(app)} ${client.error?.code === 4506 ? "Reload the page." : "It is not tried again by itself."}`;
    case "refused": return `The server refused these rows: ${sentence(app.subscription.refusal?.message ?? "")}`;
    default: return "";
  }
}

function SignIn() {
  const app = useApp();
  const token = useSignal("");
  const submit = (e: Event) => {
    e.preventDefault();
    if (token.value.trim() !== "") app.paste(token.value.trim());
    token.value = "";
  };
  return (
    <form class="notice signin" data-kind="signin" data-testid="signin" onSubmit={submit}>
      <label for="token">
        {app.client.wantsToken ? "The token runs out. Paste a new one:" : "Paste a token to see live data:"}
        {app.client.why && app.client.why !== "a token is needed" && <span class="soft"> ({app.client.why})</span>}
      </label>
      <input id="token" type="password" autocomplete="off" spellcheck={false} value={token.value} onInput={(e) => { token.value = e.currentTarget.value; }} />
      <button type="submit" class="button primary">Connect</button>
      <p class="soft">It stays in this tab and is gone when the tab is closed.</p>
    </form>
  );
}
