// npm run coverage: runs the unit tests and names the branches of src/ that none of them takes. Arguments go to vitest.
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join, relative } from "node:path";
import { projectFolder, run } from "./run.mjs";

const unitTests = join(projectFolder, "scripts/unit_tests.mjs");
const report = join(projectFolder, "coverage/coverage-final.json");
rmSync(report, { force: true });
process.exitCode = await run(process.execPath, [unitTests, "--coverage", ...process.argv.slice(2)]);
// vitest writes none if a test has failed.
const files = existsSync(report) ? Object.values(JSON.parse(readFileSync(report, "utf8"))) : [];
for (const file of files) {
  for (const [id, counts] of Object.entries(file.b)) {
    const { type, locations } = file.branchMap[id];
    counts.forEach((count, index) => {
      if (count > 0) return;
      const { line, column } =
        locations[index].start.line === undefined ? file.branchMap[id].loc.start : locations[index].start;
      console.log(
        `${relative(projectFolder, file.path)}:${line}:${column + 1} no test takes branch ${index + 1} of this ${type}`,
      );
    });
  }
}
