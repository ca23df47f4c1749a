import { render } from "preact";
import { App } from "./app.ts";
import "./styles.css";
import { AppProvider } from "./ui/context.ts";
import { Page } from "./ui/page.tsx";

const app = new App();
const root = document.getElementById("app");
if (root) {
  render(<AppProvider value={app}><Page /></AppProvider>, root);
  app.start();
}
