// The same in a Worker: takes checks as JSON, and answers with the outcomes.

import { FastCgiTcpConnector } from "../../../adapters/cloudflare/index.ts";
import { type Check, check, type Outcome } from "./client_checks.ts";

export default {
  async fetch(request: Request): Promise<Response> {
    const outcomes: Outcome[] = [];
    for (const one of (await request.json()) as Check[]) outcomes.push(await check({ FastCgiTcpConnector }, one));
    return Response.json(outcomes);
  },
};
