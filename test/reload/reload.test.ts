import { afterAll, beforeAll, expect, it } from "vitest";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";
import { makeProject, type Project, type ReloadCounts, type ReloadRuntime, Reloads } from "./reloads.ts";

failOnUnhandledRejections();

const REQUESTS_PER_SECOND = 500;

let folder: TemporaryDirectory;
let project: Project;

beforeAll(async () => {
  folder = await createTemporaryDirectory("reload");
  project = await makeProject(folder.path);
});

afterAll(() => folder.remove());

/** `npm run reload` does more of it. */
async function underLoad(runtime: ReloadRuntime, work: (reloads: Reloads) => Promise<void>): Promise<ReloadCounts> {
  const reloads = await Reloads.start(runtime, REQUESTS_PER_SECOND, project);
  try {
    await reloads.more(100);
    await work(reloads);
    await reloads.more(100);
  } catch (error) {
    await reloads.stop().catch(() => {});
    throw error;
  }
  return reloads.stop();
}

it("serve with workers loses only what a killed worker works on, and nothing by a reload, under 500 requests per second", async () => {
  const counts = await underLoad("node", async (reloads) => {
    await reloads.kill();
    await reloads.more(100);
    await reloads.reload();
  });
  expect(counts).toMatchObject({ kills: 1, reloads: 1, lostOtherwise: 0 });
});

it.each(["bun", "deno"] as const)(
  "serve --take-over on %s loses nothing when one process follows another",
  async (runtime) => {
    const counts = await underLoad(runtime, (reloads) => reloads.reload());
    expect(counts).toMatchObject({ reloads: 1, lostByKill: 0, lostOtherwise: 0 });
  },
);
