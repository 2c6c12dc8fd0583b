import { mkdtemp, realpath, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { guardAgainstLoss, unguard } from "./guard.ts";

export interface TemporaryDirectory {
  /** Absolute and without symbolic links, short enough for the name of a Unix socket below it. */
  readonly path: string;
  remove(): Promise<void>;
}

/** Makes an empty folder that only this user can enter. */
export async function createTemporaryDirectory(name: string): Promise<TemporaryDirectory> {
  const path = await realpath(await mkdtemp(join(tmpdir(), `fetchcgi-${name}-`)));
  guardAgainstLoss(path);
  return {
    path,
    async remove() {
      await rm(path, { recursive: true, force: true, maxRetries: 5 });
      unguard(path);
    },
  };
}
