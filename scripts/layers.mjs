/**
 * The tests of src/: a folder for each layer, and that of the fuzzers for all of them. They need nothing but the npm packages, and run on
 * every runtime.
 */
export const layerTests = [
  "base",
  "protocol",
  "cgi",
  "codec",
  "transport",
  "connect",
  "client",
  "server",
  "http",
  "fuzz",
].map((name) => `test/${name}`);
