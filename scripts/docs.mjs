// npm run docs: builds the documents into a site, docs/.vitepress/dist. `npm run docs -- dev` serves it and follows changes of the
// documents, `npm run docs -- test` builds it and tries it in Chromium. `npm run docs -- update` writes the files that blocks of code show
// into the documents.
import { watch } from "node:fs";
import { join } from "node:path";
import { update } from "../docs/site/fill.mjs";
import { stage } from "../docs/site/stage.mjs";
import { projectFolder, run } from "./run.mjs";
import { ensureDocsPackages, ensurePackages, ensureServers } from "./setup.mjs";

const [command = "build", ...more] = process.argv.slice(2);
const program = (name) => join(projectFolder, "docs/node_modules/.bin", name);

/** Ends this process if a step fails. */
async function step(path, args) {
  const code = await run(path, args);
  if (code !== 0) process.exit(code);
}

try {
  if (!["build", "dev", "test", "update"].includes(command)) {
    throw new Error(`Cannot run ${JSON.stringify(command)}: expected build, dev, test or update`);
  }
  if (command === "update") {
    update();
    process.exit();
  }
  await ensurePackages();
  await ensureDocsPackages();
  stage();
  await step(program("typedoc"), ["--options", "docs/typedoc.json"]);
  if (command === "dev") {
    for (const folder of [".", "docs", "examples", "cli", "specifications"]) {
      watch(join(projectFolder, folder), { recursive: folder !== "." && folder !== "docs" }, (_, name) => {
        if (name?.endsWith(".md")) stage();
      });
    }
    await step(program("vitepress"), ["dev", "docs", ...more]);
  } else {
    await step(program("vitepress"), ["build", "docs"]);
  }
  if (command === "test") {
    await ensureServers(["chromium"]);
    await step(join(projectFolder, "node_modules/.bin/vitest"), ["run", "--config", "docs/vitest.config.ts", ...more]);
  }
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
