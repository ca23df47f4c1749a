import { defineConfig } from "vitest/config";
export default defineConfig({ test: { include: ["e2e/shots.ts"], testTimeout: 120_000, hookTimeout: 30_000 } });
