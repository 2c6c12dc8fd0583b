// Some floods and connections, with few bytes. `npm run limits` goes through all, on every runtime, and prints what it measured.

import { afterAll, beforeAll, expect, it } from "vitest";
import { judged } from "./all.ts";
import { CLIENT_FLOODS } from "./client_floods.ts";
import { holdConnections } from "./connections.ts";
import { floodClient, floodServer, waitOnServer } from "./flooding.ts";
import { TargetServer } from "./processes.ts";
import { SERVER_FLOODS, SILENCES } from "./server_floods.ts";

const MIB = 1024 * 1024;

let server: TargetServer;
beforeAll(async () => {
  server = await TargetServer.start("node", { paramsTimeout: 500, maxDrainBytes: MIB, maxStdinBytes: MIB });
});
afterAll(() => server?.stop());

const named = <Flood extends { readonly name: string }>(floods: readonly Flood[], ...names: string[]): Flood[] =>
  names.map((name) => floods.find((flood) => flood.name === name)!);

it.each(
  named(
    SERVER_FLOODS,
    "requests that begin and never go on",
    "questions for values, answers unread",
    "records of dead ids",
    "large responses that are not read",
  ),
)("FastCgiServer bounds $name by $limit, and its neighbours go on", async (flood) => {
  const result = await floodServer(server, flood, flood.ends === "taken" ? MIB / 4 : 32 * MIB);
  expect(judged(result, flood.ends)).toEqual([]);
});

it("FastCgiServer refuses many requests whose params have no end after paramsTimeout, and its neighbours go on", async () => {
  const [silence] = named(SILENCES, "params without an end");
  expect(judged(await waitOnServer(server, silence!), "closed")).toEqual([]);
});

it.each(named(CLIENT_FLOODS, "a header line without end, beside other calls on the connection"))(
  "FastCgiHttpClient bounds $name by $limit, and other calls go on",
  async (flood) => {
    expect(judged(await floodClient("node", server, flood, 32 * MIB), flood.outcome)).toEqual([]);
  },
);

it("serve and the client hold many connections and requests at once", async () => {
  expect(await holdConnections("node", 300)).toMatchObject({ count: 300, lost: 0, descriptors: 0 });
});
