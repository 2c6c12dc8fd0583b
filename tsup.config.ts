import { defineConfig } from "tsup";

// The library; tsup.command.config.ts has the command. One ESM build with several entries: shared chunks, so `instanceof FastCgiError`
// holds across them.
export default defineConfig({
  entry: {
    index: "src/index.ts",
    toolkit: "src/toolkit.ts",
    node: "adapters/node/index.ts",
    bun: "adapters/bun/index.ts",
    deno: "adapters/deno/index.ts",
    cloudflare: "adapters/cloudflare/index.ts",
  },
  format: "esm",
  platform: "neutral",
  target: "es2022",
  removeNodeProtocol: false,
  external: [/^node:/, "cloudflare:sockets"],
  dts: {
    // Of AsyncDisposable, which no version of ECMAScript has yet: with it the declarations compile whatever `lib` a program has.
    banner: '/// <reference lib="esnext.disposable" />',
    compilerOptions: { ignoreDeprecations: "6.0" },
  },
  sourcemap: true,
  clean: true,
});
