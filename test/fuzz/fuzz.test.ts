// A fixed number of inputs for each target, so that a run decides nothing by time. npm run fuzz goes on for as long as it is told to.
import { expect, it } from "vitest";
import { clientTarget, httpClientTarget } from "./client.ts";
import { faultyApplications, faultyTarget, faultyWebServers } from "./faults.ts";
import { serverTarget, serviceTarget } from "./server.ts";
import { stagesTarget } from "./stages.ts";
import { fuzz } from "./target.ts";

const RUNS = 300;

it.each([
  ["FastCgiServer", serverTarget],
  ["FastCgiHttpService", serviceTarget],
  ["FastCgiClient", clientTarget],
  ["FastCgiHttpClient", httpClientTarget],
])(
  "%s keeps the rules of the protocol and lets go of everything when its peer does anything at all",
  async (_, make) => {
    expect(await fuzz<never>(make() as never, RUNS, { seed: 20_261_127 })).toBeNull();
  },
);

it.each([
  ["FastCgiServer", faultyWebServers],
  ["FastCgiClient", faultyApplications],
])("%s gives what the table of results says when a recorded exchange fails at a byte", async (_, make) => {
  expect(await fuzz(faultyTarget(make()), RUNS, { seed: 20_261_127 })).toBeNull();
});

it("The stages give the same wherever their input is cut, and what was encoded comes back", async () => {
  expect(await fuzz(stagesTarget(), 10_000, { seed: 20_261_127 })).toBeNull();
});
