// An adapter for SvelteKit 3: `vite build` writes build/server for main.js, and build/client for the web server.

import { rmSync } from "node:fs";

export default () => ({
  name: "fetchcgi",
  adapt(builder) {
    rmSync("build", { recursive: true, force: true });
    builder.generateServerInstance(`${builder.getServerDirectory()}/server.js`);
    builder.writeServer("build/server");
    builder.writeClient("build/client");
    builder.writePrerendered("build/client");
  },
  supports: { read: () => true },
});
