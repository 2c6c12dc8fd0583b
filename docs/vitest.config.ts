// npm run docs -- test
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

export default defineConfig({
  root: fileURLToPath(new URL("..", import.meta.url)),
  test: { include: ["docs/site/site.test.ts"], testTimeout: 240_000, hookTimeout: 240_000 },
});
