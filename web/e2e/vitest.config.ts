import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["e2e/*.e2e.ts"], expect: { poll: { timeout: 10_000, interval: 50 } },
    testTimeout: 30_000, hookTimeout: 30_000, fileParallelism: false,
  },
});
