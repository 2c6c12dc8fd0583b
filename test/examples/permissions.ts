/** What the README of the example for Deno allows it. */
export const DENO_PERMISSIONS = [
  "--allow-net",
  "--allow-read",
  "--allow-write",
  "--allow-env=PORT,FCGI_WEB_SERVER_ADDRS",
];
