// npm run docs -- test
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  // Reached by what hangs only: some hundred pages are opened.
  test: { include: ["docs/site/site.test.ts"], testTimeout: 3_600_000, hookTimeout: 240_000 },
});
