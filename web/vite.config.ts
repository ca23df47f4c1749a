import { fileURLToPath } from "node:url";
import { configDefaults, defineConfig } from "vitest/config";

// The page runs under a content security policy without inline code, data:
// images or a module preload polyfill, so nothing may be inlined here.
export default defineConfig({
  base: "/",
  resolve: { alias: { "@waybill-io/client": fileURLToPath(new URL("client/src/index.ts", import.meta.url)) } },
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  build: {
    target: "es2023",
    outDir: "dist",
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    sourcemap: false,
    reportCompressedSize: true,
  },
  test: {
    include: ["test/**/*.test.ts", "client/test/**/*.test.ts"],
    exclude: configDefaults.exclude,
    environment: "node",
    testTimeout: 30_000,
  },
});
