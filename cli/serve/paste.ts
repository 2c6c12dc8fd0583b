// The lines for web servers: the shortest that work. examples/web-servers has whole configurations.

import { resolve } from "node:path";
import { formatTcpTarget } from "../../adapters/shared/target.ts";
import type { ListenTarget } from "../../adapters/system/listen.ts";
import type { WebServer } from "./options.ts";

/** Where to connect to what listens on all addresses of the machine. */
const TO_CONNECT: ReadonlyMap<string, string> = new Map([
  ["0.0.0.0", "127.0.0.1"],
  ["::", "::1"],
]);

/** The lines for a web server. Null if it starts the application itself, or the address is not known. */
export function linesFor(server: WebServer, target: ListenTarget): string | null {
  const { hostname = "127.0.0.1", port } = target;
  // The web server's working directory is another one.
  const path = target.path === undefined ? undefined : resolve(target.path);
  // Nothing listens on port 0: the system takes another one at the start.
  if (path === undefined && !port) return null;
  const address = formatTcpTarget({ hostname: TO_CONNECT.get(hostname) ?? hostname, port: port ?? 0 });
  switch (server) {
    case "nginx":
      return `# inside server { }, in place of its location /
location / {
    include fastcgi_params;
    fastcgi_pass ${path === undefined ? address : quoted(`unix:${path}`)};
}`;
    case "apache":
      return `# inside <VirtualHost>; once: a2enmod proxy_fcgi
<Location "/">
    SetHandler "proxy:${path === undefined ? `fcgi://${address}/` : `unix:${path}|fcgi://app/`}"
    CGIPassAuth On
    Require all granted
</Location>`;
    case "caddy":
      return `# inside a site, such as :80 { }
reverse_proxy ${path === undefined ? address : quoted(`unix/${path}`)} {
	transport fastcgi
}`;
  }
}

/** One word of a configuration, also where a path has a space or a sign that means something there. */
function quoted(word: string): string {
  return /^[\w./:@%+-]+$/.test(word) ? word : `"${word.replaceAll(/["\\]/g, "\\$&")}"`;
}
