// The ways in which the six web servers can be told to pass responses on: with connections that they keep or open for each request,
// and with or without collecting what comes. Each is an example with one thing changed.

import { apache, caddy, h2o, haproxy, lighttpd, nginx } from "./servers.ts";
import type { Setup } from "./setup.ts";

/** A web server, and how it passes responses on. */
export interface Wiring extends Setup {
  /** Such as `nginx, kept, buffered`. */
  readonly name: string;
  /** The version that its outcomes were found with. */
  readonly measured: string;
  /** Whether the header reaches the client before the response has ended. */
  readonly passesHeader: boolean;
  /** Whether an upload reaches the application before it has ended. */
  readonly passesUploads: boolean;
  /** Whether a response reaches the client while its upload is under way. */
  readonly answersEarly: boolean;
  /** Whether it may take a long response from the application that its client does not read. */
  readonly takesAll: boolean;
}

/** Changes a configuration, and fails when there is nothing to change: an example that was rewritten must not pass unchanged. */
function changed(config: string, from: string | RegExp, to: string): string {
  const text = config.replace(from, to);
  if (text === config) throw new Error(`Cannot change the configuration: it has no ${from}`);
  return text;
}

type Edit = (config: string) => string;
const asItIs: Edit = (config) => config;
const allOf =
  (...edits: readonly Edit[]): Edit =>
  (config) =>
    edits.reduce((text, edit) => edit(text), config);

const nginxOpens: Edit = (config) => changed(changed(config, /keepalive \d+;.*/, ""), "fastcgi_keep_conn on;", "");
const nginxPassesUploads: Edit = (config) =>
  config.includes("fastcgi_request_buffering off")
    ? config
    : changed(config, "fastcgi_pass ", "fastcgi_request_buffering off;\nfastcgi_pass ");
const apacheOpens: Edit = (config) => changed(config, "enablereuse=on", "");
const apacheCollects: Edit = (config) => changed(config, "flushpackets=on", "");
const lighttpdCollects: Edit = (config) =>
  changed(config, /server\.stream-response-body = 2/, "server.stream-response-body = 0");
const lighttpdPassesUploads: Edit = (config) => `server.stream-request-body = 2\n${config}`;
const caddyCollects: Edit = (config) => changed(config, /flush_interval -1.*/, "");
const haproxyDoesNotShare: Edit = (config) => changed(config, "option mpxs-conns", "no option mpxs-conns");
const haproxyOpens: Edit = (config) => changed(haproxyDoesNotShare(config), "option keep-conn", "no option keep-conn");
const h2oKeeps: Edit = (config) => `fastcgi.timeout.keepalive: 5000\n${config}`;

const streams = { passesHeader: true, passesUploads: true, answersEarly: true, takesAll: false };

export const wirings: readonly Wiring[] = [
  ...(
    [
      ["kept, buffered", "nginx/site.conf", asItIs],
      ["opened, buffered", "nginx/site.conf", nginxOpens],
      ["kept, unbuffered", "nginx/streaming.conf", asItIs],
      ["opened, unbuffered", "nginx/streaming.conf", nginxOpens],
    ] as const
  ).map(([name, example, edit]) => ({
    name: `nginx, ${name}`,
    server: nginx,
    example,
    edit: allOf(edit, nginxPassesUploads),
    measured: "1.22.1",
    ...streams,
    takesAll: !name.includes("unbuffered"),
  })),
  ...(
    [
      ["kept, unbuffered", asItIs],
      ["opened, unbuffered", apacheOpens],
      ["kept, buffered", apacheCollects],
      ["opened, buffered", allOf(apacheOpens, apacheCollects)],
    ] as const
  ).map(([name, edit]) => ({
    name: `Apache, ${name}`,
    server: apache,
    example: "apache/proxy_fcgi.conf",
    edit,
    measured: "2.4.71",
    ...streams,
  })),
  // It opens a connection for each request.
  ...(
    [
      ["unbuffered", asItIs],
      ["buffered", lighttpdCollects],
    ] as const
  ).map(([name, edit]) => ({
    name: `lighttpd, opened, ${name}`,
    server: lighttpd,
    example: "lighttpd/socket.conf",
    edit: allOf(edit, lighttpdPassesUploads),
    measured: "1.4.69",
    ...streams,
    passesHeader: name === "unbuffered",
    takesAll: name === "buffered",
  })),
  // So does Caddy.
  ...(
    [
      ["unbuffered", asItIs],
      ["buffered", caddyCollects],
    ] as const
  ).map(([name, edit]) => ({
    name: `Caddy, opened, ${name}`,
    server: caddy,
    example: "caddy/Caddyfile",
    edit,
    measured: "2.6.2",
    ...streams,
    // It sends all of an upload before it reads.
    answersEarly: false,
  })),
  ...(
    [
      ["shared", asItIs],
      ["kept", haproxyDoesNotShare],
      ["opened", haproxyOpens],
    ] as const
  ).map(([name, edit]) => ({
    name: `HAProxy, ${name}`,
    server: haproxy,
    example: "haproxy/haproxy.cfg",
    edit,
    measured: "2.6.12",
    ...streams,
  })),
  ...(
    [
      ["opened", asItIs],
      ["kept", h2oKeeps],
    ] as const
  ).map(([name, edit]) => ({
    name: `h2o, ${name}`,
    server: h2o,
    example: "h2o/h2o.conf",
    edit,
    measured: "2.2.5",
    ...streams,
    passesUploads: false,
    // In memory.
    takesAll: true,
  })),
];
