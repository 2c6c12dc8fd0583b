import { execFile } from "node:child_process";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, it } from "vitest";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const bench = (...args: string[]): Promise<{ stdout: string }> =>
  run(process.execPath, ["--import", "tsx", "bench/main.ts", ...args], { cwd: root });

const tiny = ["--rounds", "1", "--seconds", "0.05", "--warm-up", "0.1", "--tries", "1"];

// Whether it runs, not how fast: other tests run at the same time.
// On Linux: load generators and figures need epoll and /proc, and the bench is run nowhere else.
describe.runIf(process.platform === "linux")("npm run bench", () => {
  it("measures contenders, says why others were not run, and writes a report when it has cases and a folder", async () => {
    const directory = await createTemporaryDirectory("bench-report");
    const report = ["--report", directory.path];
    const { stdout } = await bench("chunks", "encode", ...tiny, ...report, "--base", "/nonexistent");
    for (const name of ["fetchcgi", "fetchcgi, the same again", "by hand"]) {
      const row = stdout.split("\n").find((line) => line.startsWith(`| ${name} |`));
      // Figures, and no errors.
      expect(row).toMatch(/ \d[\d.,]* \(.+–.+\) \|.+\| 0 \|$/);
    }
    expect(stdout).toMatch(/\| fetchcgi \(base\) \| not run: .+ \|/);
    const [page] = await readdir(join(directory.path, "results"));
    expect(await readFile(join(directory.path, "results", page!), "utf8")).toContain("Left out of this run");
    expect(await readFile(join(directory.path, "RESULTS.md"), "utf8")).toContain(`(results/${page})`);
    expect(await readFile(join(directory.path, "results.svg"), "utf8")).toContain("<svg");
    await directory.remove();
  });

  it("fails with the words it knows when the case is none", async () => {
    await expect(bench("no-such-case")).rejects.toThrow("Cannot find a case that begins with no-such-case");
  });
});
