import node from "@astrojs/node";
import { defineConfig } from "astro/config";
import fastcgi from "./adapter.js";

// The same app for its own server and over FastCGI.
const isNative = process.argv.includes("native");

export default defineConfig({
  output: "server",
  outDir: isNative ? "native" : "dist",
  adapter: isNative ? node({ mode: "standalone" }) : fastcgi(),
});
