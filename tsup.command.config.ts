import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { defineConfig, type Options } from "tsup";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

// The command, in files of its own: a command loads only what it uses, and programs that use the library load nothing of it.
// What a command runs for its user, such as `serve`, it has from the library's entries, as the user's module has it.
// The packages that a command uses are in its files, so that installing the library installs nothing else.
export default defineConfig({
  entry: { main: "cli/main.ts" },
  outDir: "dist/cli",
  format: "esm",
  platform: "neutral",
  target: "es2022",
  removeNodeProtocol: false,
  external: [/^node:/, /^fetchcgi\//],
  esbuildPlugins: [licences(), page()],
  esbuildOptions(options) {
    options.minifyWhitespace = true;
    options.minifySyntax = true;
    // Of packages without exports, for Node.
    options.mainFields = ["module", "main"];
    options.conditions = ["node", "import", "module"];
  },
  clean: true,
});

/** Puts the files of the page of `tap --ui` beside the file that reads them. */
function page(): Plugin {
  return {
    name: "page",
    setup(build) {
      build.onEnd(() => cpSync("cli/tap/page", join(build.initialOptions.outdir!, "page"), { recursive: true }));
    },
  };
}

/** Writes the licences of the packages that are in the files beside them. */
function licences(): Plugin {
  return {
    name: "licences",
    setup(build) {
      build.initialOptions.metafile = true;
      build.onEnd(({ metafile }) => {
        const inputs = Object.keys(metafile?.inputs ?? {});
        const folders = inputs.flatMap((path) => /^.*node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(path)?.[0] ?? []);
        const texts = [...new Set(folders)].sort().map(licenceOf);
        const outDir = build.initialOptions.outdir!;
        // tsup writes its own files later.
        mkdirSync(outDir, { recursive: true });
        writeFileSync(join(outDir, "LICENSES.txt"), texts.join(`\n${"-".repeat(80)}\n\n`));
      });
    },
  };
}

/** The name, the version and the licence of a package. */
function licenceOf(folder: string): string {
  const { name, version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e(\.\w+)?$/i.test(entry));
  if (file === undefined) throw new Error(`Cannot bundle ${name}: it has no licence file (${license})`);
  return `${name} ${version}, ${license}\n\n${readFileSync(join(folder, file), "utf8").trim()}\n`;
}
