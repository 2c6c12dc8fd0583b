import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

// Programs obey it, and tests read what they print. Node.js takes it as a wish for colours even if it is empty.
delete process.env.FORCE_COLOR;

export default defineConfig({
  // The package's own names lead to its source, as they do in tsconfig.json.
  resolve: {
    alias: [
      { find: /^fetchcgi$/, replacement: file("src/index.ts") },
      { find: /^fetchcgi\/toolkit$/, replacement: file("src/toolkit.ts") },
      { find: /^fetchcgi\/(.+)$/, replacement: file("adapters/$1/index.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    reporters: ["default", "./test/support/summary_reporter.ts"],
    setupFiles: ["./test/support/equal_bytes.ts"],
    execArgv: ["--expose-gc"],
    // All cores, where vitest leaves one free: tests with real servers wait for most of their time.
    maxWorkers: "100%",
    // Reached by what hangs only: a machine that others use as well can be ten times slower.
    testTimeout: 240_000,
    hookTimeout: 240_000,
    // npm run coverage names the branches that no test takes.
    coverage: {
      provider: "v8",
      include: ["src/**/*.ts"],
      reporter: ["json"],
    },
  },
});
