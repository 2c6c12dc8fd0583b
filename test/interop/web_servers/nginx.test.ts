import { nginx } from "../../support/web_servers/servers.ts";
import { type Column, describeColumn, type Limits } from "./battery.ts";
import { claimsRemoteUser, collectsUploads, ownHeaderLimit } from "./limits.ts";

const docs = "https://nginx.org/en/docs/http";

const limits: Limits = {
  ...claimsRemoteUser(`${docs}/ngx_http_core_module.html#var_remote_user`),
  ...ownHeaderLimit(
    400,
    "large_client_header_buffers 4 8k",
    `${docs}/ngx_http_core_module.html#large_client_header_buffers`,
  ),
};

const columns: readonly Column[] = [
  {
    server: nginx,
    example: "nginx/site.conf",
    measured: "1.22.1",
    limits: {
      ...limits,
      ...collectsUploads(
        "collects uploads (fastcgi_request_buffering on)",
        `${docs}/ngx_http_fastcgi_module.html#fastcgi_request_buffering`,
      ),
    },
  },
  { server: nginx, name: "nginx, streaming", example: "nginx/streaming.conf", measured: "1.22.1", limits },
];
for (const column of columns) describeColumn(column);
