// The same in a Worker: takes an operation as JSON, and answers with the outcome. A GET is answered with what comes of a call of serve.

import * as adapter from "../../../../adapters/cloudflare/index.ts";
import { type Operation, operate } from "./operations.ts";

interface Environment {
  NETWORK: adapter.WorkerBinding;
}

/** TypeScript refuses the call. */
function resultOfServe(): string {
  try {
    return String((adapter.serve as () => unknown)());
  } catch (error) {
    return String(error);
  }
}

export default {
  async fetch(request: Request, { NETWORK }: Environment): Promise<Response> {
    if (request.method === "GET") return Response.json(resultOfServe());
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
