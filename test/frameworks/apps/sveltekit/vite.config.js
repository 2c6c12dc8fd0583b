import adapterNode from "@sveltejs/adapter-node";
import { sveltekit } from "@sveltejs/kit/vite";
import { defineConfig } from "vite";
import adapter from "./adapter.js";

const native = adapterNode({ out: "native" });

/** From one build the app for its own server and the one over FastCGI. */
const both = {
  ...native,
  async adapt(builder) {
    await native.adapt(builder);
    await adapter().adapt(builder);
  },
};

export default defineConfig({ plugins: [sveltekit({ adapter: both })] });
