import { expect, it } from "vitest";
import { adapterOf } from "../adapters/battery/programs/adapter.ts";
import { waitUntil } from "../support/process.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { growth } from "./flat.ts";
import { Traffic } from "./traffic.ts";

it("serve and FastCgiHttpClient give every kind of request its own outcome, and leave no connection", async () => {
  const folder = await createTemporaryDirectory("soak");
  const traffic = new Traffic(await adapterOf("node"), `${folder.path}/soak.sock`);
  await traffic.listen();
  traffic.start();
  const count = (): number => [...traffic.outcomes.values()].reduce((sum, each) => sum + each, 0);
  await waitUntil(() => count() >= 110);
  await traffic.close();
  await folder.remove();
  expect(traffic.faults).toEqual([]);
  expect([...traffic.outcomes.keys()].sort()).toEqual([
    "a download that is cancelled: cancelled",
    "a handler that fails: right",
    "a long download: right",
    "a page: right",
    "a peer that leaves: closed",
    "a request that is aborted: aborted",
    "a response that fails: protocol",
    "an answer before the body: right",
    "an upload that is sent back: right",
    "half a request: closed",
    "junk: closed",
  ]);
});

it("growth names what has grown, and by how much", () => {
  const start = { heap: 10, rss: 100, descriptors: 20, timers: 1 };
  expect(growth(start, { ...start, heap: 14, rss: 150 }, { ...start, heap: 13, rss: 160 })).toEqual([]);
  expect(growth(start, { ...start, heap: 20 }, { ...start, heap: 30 })).toEqual(["heap: 10, 20, 30 MB"]);
  expect(growth(start, start, { ...start, rss: 200 })).toEqual(["rss: 100, 100, 200 MB"]);
  expect(growth(start, start, { ...start, descriptors: 30, timers: 2 })).toEqual([
    "descriptors: 20, 20, 30",
    "timers: 1, 1, 2",
  ]);
  expect(growth({ ...start, timers: null }, start, { ...start, timers: 9 })).toEqual([]);
});
