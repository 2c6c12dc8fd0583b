// The same in a Worker: takes an operation as JSON, and answers with the outcome. A GET is answered with what the adapter exports.

import * as adapter from "../../../../adapters/cloudflare/index.ts";
import { type Operation, operate } from "./operations.ts";

interface Environment {
  NETWORK: adapter.WorkerBinding;
}

export default {
  async fetch(request: Request, { NETWORK }: Environment): Promise<Response> {
    if (request.method === "GET") return Response.json(Object.keys(adapter));
    const operation = (await request.json()) as Operation;
    const options: Record<string, adapter.WorkerSocketOptions> = {
      binding: { binding: NETWORK },
      TLS: { secureTransport: "on" },
    };
    const FastCgiTcpConnector = {
      phpFpm: (target: { port: number } | string, script: string) =>
        adapter.FastCgiTcpConnector.phpFpm(target, script, options[operation.through ?? ""]),
    };
    return Response.json(await operate({ FastCgiTcpConnector }, operation));
  },
};
