// A headless Chromium that makes no connections of its own.

import { existsSync } from "node:fs";
import { chromium, type Browser } from "playwright-core";

const places = [process.env["CHROMIUM"], "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/** Where a Chromium is, or "". */
export const executable = places.find((p) => p !== undefined && existsSync(p)) ?? "";

export function launch(): Promise<Browser> {
  return chromium.launch({
    executablePath: executable,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
}
