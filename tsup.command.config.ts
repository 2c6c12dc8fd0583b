import { defineConfig } from "tsup";

// The command, in files of its own: a command loads only what it uses, and programs that use the library load nothing of it.
// What a command runs for its user, such as `serve`, it has from the library's entries, as the user's module has it.
export default defineConfig({
  entry: { main: "cli/main.ts" },
  outDir: "dist/cli",
  format: "esm",
  platform: "neutral",
  target: "es2022",
  removeNodeProtocol: false,
  external: [/^node:/, /^fetchcgi\//],
  esbuildOptions(options) {
    options.minifyWhitespace = true;
    options.minifySyntax = true;
  },
  clean: true,
});
