// The columns of the table: each web server with the configurations of examples/web-servers.

import { apache, apacheFcgid, caddy, h2o, haproxy, lighttpd, nginx } from "../web_servers/servers.ts";
import type { WebServer } from "../web_servers/web_server.ts";
import type { ParamsRequest } from "./requests.ts";

/** A web server and its examples. */
export interface Column {
  readonly server: WebServer;
  readonly site: string;
  readonly prefix: string;
  /** Whether it starts the application. */
  readonly spawns?: true;
  /** Makes the site one over HTTPS, with the certificate and key in one file. Without it, it needs a module of another package. */
  readonly https?: (config: string, pem: string) => string;
}

export const columns: readonly Column[] = [
  {
    server: nginx,
    site: "nginx/site.conf",
    prefix: "nginx/prefix.conf",
    https: (config, pem) =>
      config.replace(/(listen [^;]+);/, `$1 ssl;\nssl_certificate ${pem};\nssl_certificate_key ${pem};`),
  },
  { server: apache, site: "apache/proxy_fcgi.conf", prefix: "apache/proxy_fcgi_prefix.conf", https: modSsl },
  { server: apacheFcgid, site: "apache/fcgid.conf", prefix: "apache/fcgid_prefix.conf", spawns: true, https: modSsl },
  { server: lighttpd, site: "lighttpd/socket.conf", prefix: "lighttpd/prefix.conf" },
  {
    server: caddy,
    site: "caddy/Caddyfile",
    prefix: "caddy/prefix.Caddyfile",
    https: (config, pem) => config.replace(/http:(\/\/:\d+ \{)/, `https:$1\n\ttls ${pem} ${pem}`),
  },
  {
    server: haproxy,
    site: "haproxy/haproxy.cfg",
    prefix: "haproxy/prefix.cfg",
    https: (config, pem) => config.replace(/(bind \S+)/, `$1 ssl crt ${pem}`),
  },
  {
    server: h2o,
    site: "h2o/h2o.conf",
    prefix: "h2o/prefix.conf",
    https: (config, pem) =>
      config.replace(/^( +)port: \d+$/m, (line, indent) =>
        [line, `${indent}ssl:`, `${indent}  certificate-file: ${pem}`, `${indent}  key-file: ${pem}`].join("\n"),
      ),
  },
];

function modSsl(config: string, pem: string): string {
  return `LoadModule ssl_module /usr/lib/apache2/modules/mod_ssl.so\n${config.replace(
    /(<VirtualHost [^>]+>)/,
    `$1\nSSLEngine on\nSSLCertificateFile ${pem}\nSSLCertificateKeyFile ${pem}`,
  )}`;
}

/** The example that a request needs, or undefined where a column has none. */
export function exampleFor({ site, prefix, https }: Column, setup: ParamsRequest["setup"]): string | undefined {
  if (setup === "https") return https === undefined ? undefined : site;
  return setup === "site" ? site : prefix;
}
