/**
 * The tests of src/: a folder for each layer, that of the fuzzers for all of them, and those of applications and middleware for node:http.
 * They need nothing but the npm packages, and run on every runtime.
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
  "http_listener",
  "http_middleware",
].map((name) => `test/${name}`);
