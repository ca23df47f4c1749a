import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { App } from "../app.ts";

const Context = createContext<App | null>(null);

export const AppProvider = Context.Provider;

export function useApp(): App {
  const app = useContext(Context);
  if (!app) throw new Error("no App around this component");
  return app;
}
