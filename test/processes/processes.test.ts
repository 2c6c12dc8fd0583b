import { expect, it } from "vitest";
import { ROUND_KINDS, Rounds } from "./rounds.ts";

it("serve leaves one server on a path or port, or none, when processes start, close, take over and die at once", async () => {
  const rounds = new Rounds("node");
  try {
    // Every kind on a path; npm run processes goes on with ports, and with other runtimes.
    for (const _ of ROUND_KINDS) await rounds.run();
  } finally {
    await rounds.stop();
  }
  expect(Object.keys(rounds.counts)).toEqual(ROUND_KINDS.map((kind) => `${kind}, on a path`));
});
