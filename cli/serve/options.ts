export const serveOptions = {
  listen: {
    type: "text",
    short: "l",
    value: "ADDRESS",
    about:
      "unix:/run/app.sock, tcp:127.0.0.1:9000, or fd:0; without it, the socket that the process was started with (systemd, spawn-fcgi, lighttpd)",
  },
  mode: { type: "text", value: "MODE", default: "660", about: "permissions of the socket of --listen unix:…" },
  "take-over": { type: "flag", about: "takes the socket of --listen unix:… over from a process that listens there" },
  workers: {
    type: "number",
    short: "w",
    value: "N",
    min: 0,
    max: 1024,
    about:
      "processes over one socket, 0 for one for each core: one that dies is replaced, SIGHUP replaces them all. Only on Node",
  },
  watch: {
    type: "flag",
    about: "replaces the workers when a file in the module's folder changes: for development. Only on Node",
  },
  drain: { type: "number", value: "MS", default: 30000, about: "milliseconds that running requests have when it ends" },
  grace: {
    type: "number",
    value: "MS",
    default: 250,
    min: 0,
    about:
      "milliseconds for which requests may still come on kept connections when it ends or a worker is replaced: more than the web server keeps idle ones",
  },
  print: {
    type: "text",
    value: "SERVER",
    choices: ["nginx", "apache", "caddy"],
    about: "prints the lines to paste into the configuration of this web server, and ends",
  },
} as const;

/** A web server whose lines can be printed. */
export type WebServer = (typeof serveOptions.print.choices)[number];
