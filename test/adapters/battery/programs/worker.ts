// The same in a Worker: takes an operation as JSON, and answers with the outcome. A GET is answered with what the adapter exports.

import * as adapter from "../../../../adapters/cloudflare/index.ts";
import { operate } from "./operations.ts";

export default {
  async fetch(request: Request): Promise<Response> {
    if (request.method === "GET") return Response.json(Object.keys(adapter));
    return Response.json(await operate(adapter, await request.json()));
  },
};
