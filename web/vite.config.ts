import { configDefaults, defineConfig } from "vitest/config";

// The page runs under a content security policy without inline code, data:
// images or a module preload polyfill, so nothing may be inlined here.
export default defineConfig({
  base: "/",
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
    include: ["test/**/*.test.ts"],
    exclude: configDefaults.exclude,
    environment: "node",
  },
});
