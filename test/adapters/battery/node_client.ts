import {
  FastCgiHttpClient,
  type FastCgiHttpClientOptions,
  FastCgiTcpConnector,
  FastCgiUnixConnector,
} from "../../../adapters/node/index.ts";
import type { Target } from "./programs/operations.ts";

/** A client in this process. */
export function nodeClient(target: Target, options?: FastCgiHttpClientOptions): FastCgiHttpClient {
  const connector =
    "path" in target ? new FastCgiUnixConnector(target.path) : new FastCgiTcpConnector({ port: target.port });
  return new FastCgiHttpClient(connector, options);
}
