// An application for node:http that says what it was asked. As a program, it is what mod_fcgid starts.

import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { serve } from "../../../adapters/node/index.ts";

export async function siteHandler(request: IncomingMessage, response: ServerResponse): Promise<void> {
  const body = await text(request);
  const said = [request.method, request.url, request.socket.remoteAddress, request.headers.authorization];
  response.setHeader("content-type", "text/plain");
  response.end([...said.map(String), ...(body === "" ? [] : [body])].join(" "));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const server = await serve({ listener: siteHandler });
  process.once("SIGTERM", () => void server.close({ timeout: 1000 }));
}
