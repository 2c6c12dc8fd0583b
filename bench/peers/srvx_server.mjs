// srvx with the runtime's own Response: what a user of fetch handlers would put behind nginx's proxy_pass. srvx_server.mjs ADDRESS
import { serve } from "srvx";
import { HELLO } from "./answers.mjs";
import { ready, targetOf } from "./ready.mjs";

const { host: hostname, port } = targetOf(process.argv[2]);
const server = serve({
  hostname,
  port,
  silent: true,
  fetch: () => new Response(HELLO, { headers: { "content-type": "text/plain" } }),
});
await server.ready();
ready();
