// The lines for web servers: the shortest that work. examples/web-servers has whole configurations.

import type { ListenTarget } from "../../adapters/system/listen.ts";

export const WEB_SERVERS = ["nginx", "apache", "caddy"] as const;

/** The lines for a web server. Null if it starts the application itself, or the address is not known. */
export function linesFor(server: (typeof WEB_SERVERS)[number], { path, hostname, port }: ListenTarget): string | null {
  if (path === undefined && port === undefined) return null;
  const address = `${hostname?.includes(":") ? `[${hostname}]` : hostname}:${port}`;
  switch (server) {
    case "nginx":
      return `location / {
    include fastcgi_params;
    fastcgi_pass ${path === undefined ? address : `unix:${path}`};
}`;
    case "apache":
      return `<Location "/">
    SetHandler "proxy:${path === undefined ? `fcgi://${address}/` : `unix:${path}|fcgi://app/`}"
    CGIPassAuth On
    Require all granted
</Location>`;
    case "caddy":
      return `reverse_proxy ${path === undefined ? address : `unix/${path}`} {
	transport fastcgi
}`;
  }
}
