// When a browser comes back: the tab to the front, or the network.

/** Calls back whenever that happens, where there is a browser; returns what ends that. */
export function onWake(run: () => void): () => void {
  if (typeof document === "undefined") return () => {};
  const visible = () => { if (document.visibilityState === "visible") run(); };
  addEventListener("online", run);
  document.addEventListener("visibilitychange", visible);
  return () => {
    removeEventListener("online", run);
    document.removeEventListener("visibilitychange", visible);
  };
}
