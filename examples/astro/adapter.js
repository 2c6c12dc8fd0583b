// An adapter for Astro: `astro build` writes dist/server/entry.mjs, which exports the fetch handler of server.js.

export default () => ({
  name: "fetchcgi",
  hooks: {
    "astro:config:done": ({ setAdapter }) =>
      setAdapter({
        name: "fetchcgi",
        entrypointResolution: "auto",
        serverEntrypoint: new URL("server.js", import.meta.url),
        supportedAstroFeatures: { serverOutput: "stable", hybridOutput: "stable", staticOutput: "stable" },
      }),
  },
});
