// npm run release-check: what npm and JSR would publish, checked. RELEASING.md says what to do besides.
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { declarationErrors, OLDEST_TYPESCRIPT, resolutionsOf, users, wrongUser } from "./declarations.mjs";
import { projectFolder, run, runNpm } from "./run.mjs";
import { ensurePackages, ensureRuntimes, requireRuntime } from "./setup.mjs";
import { runSteps } from "./steps.mjs";

const folder = await mkdtemp(join(tmpdir(), "fetchcgi-release-"));
/** A project that has the package, as npm packs it, and the versions of TypeScript. */
const project = join(folder, "project");
const packages = join(project, "node_modules");

const steps = [
  { title: "Build", run: () => runNpm(["run", "--silent", "build"], { quiet: true }) },
  { title: "Package for npm", run: pack },
  { title: "Package for JSR", run: publishToJsr },
  // Links, declarations, publint, attw, deno doc --lint; and it runs on every runtime.
  { title: "Tests of the package", run: () => vitest("package", "exports", "doors", "editor", "lock_files") },
  { title: `TypeScript ${OLDEST_TYPESCRIPT} and the newest`, run: compile },
];

try {
  await ensurePackages();
  await ensureRuntimes();
  process.exitCode = await runSteps(steps);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
} finally {
  await rm(folder, { recursive: true, force: true });
}

/** Packs what `npm publish` would send, and prints its largest files. */
async function pack() {
  const output = [];
  const args = ["pack", "--ignore-scripts", "--json", "--pack-destination", folder];
  const code = await runNpm(args, { quiet: true, output });
  if (code !== 0) return code;
  const [{ name, version, filename, size, unpackedSize, files }] = JSON.parse(Buffer.concat(output).toString());
  console.log(`${name} ${version}: ${files.length} files, ${kilobytes(size)}, unpacked ${kilobytes(unpackedSize)}`);
  for (const { path, size } of files.toSorted((a, b) => b.size - a.size).slice(0, 5)) {
    console.log(`  ${kilobytes(size).padStart(8)}  ${path}`);
  }
  await mkdir(project);
  await writeFile(join(project, "package.json"), '{ "private": true, "type": "module" }');
  return install(join(folder, filename));
}

/** Does all that publishing to JSR does, with the check of types, but sends nothing. */
function publishToJsr() {
  return run(requireRuntime("deno"), ["publish", "--dry-run", "--allow-dirty"], { quiet: true });
}

/** Compiles the program of every user in every way. */
async function compile() {
  const versions = { oldest: OLDEST_TYPESCRIPT, newest: "latest" };
  const aliases = Object.entries(versions).map(([name, version]) => `${name}@npm:typescript@${version}`);
  const types = [...new Set(users.flatMap((user) => user.types))];
  const code = await install(...aliases, ...types.map(withVersion));
  if (code !== 0) return code;
  let failed = 0;
  for (const name of Object.keys(versions)) {
    const typescript = join(packages, name);
    const { version } = createRequire(import.meta.url)(join(typescript, "package.json"));
    let compiled = 0;
    for (const resolution of resolutionsOf(version)) {
      for (const user of [wrongUser, ...users]) {
        const place = await mkdtemp(join(folder, "types-"));
        const installed = join(packages, "fetchcgi");
        const errors = await declarationErrors({
          typescript,
          installed,
          folder: place,
          typesIn: packages,
          resolution,
          user,
        });
        compiled++;
        if (errors.length > 0 === (user === wrongUser)) continue;
        failed++;
        console.log(`${user.name}, ${resolution}, TypeScript ${version}:\n  ${errors.join("\n  ") || "no error"}`);
      }
    }
    console.log(`TypeScript ${version}: ${compiled} programs`);
  }
  return failed === 0 ? 0 : 1;
}

/** The version of a package of types that this project has, so that its next one breaks no release. */
function withVersion(name) {
  const { devDependencies } = createRequire(import.meta.url)(join(projectFolder, "package.json"));
  return `${name}@${devDependencies[name] ?? "latest"}`;
}

function install(...names) {
  const args = ["install", "--prefix", project, "--ignore-scripts", "--no-audit", "--no-fund", ...names];
  return runNpm(args, { quiet: true });
}

function vitest(...names) {
  const files = names.map((name) => `test/project/${name}.test.ts`);
  return run(join(projectFolder, "node_modules/.bin/vitest"), ["run", ...files]);
}

function kilobytes(bytes) {
  return `${Math.round(bytes / 1000)} kB`;
}
