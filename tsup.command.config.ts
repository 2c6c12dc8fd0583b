import { cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { defineConfig, type Options } from "tsup";

type Plugin = NonNullable<Options["esbuildPlugins"]>[number];

// The command, in files of its own, of which programs that use the library load nothing: main.js, and a file for each command with all
// that it uses, and nothing else. A file that is loaded costs more than its length.
// What a command runs for its user, such as `serve`, it has from the library's entries, as the user's module has it.
// The packages that a command uses are in its files, so that installing the library installs nothing else.
export default defineConfig({
  entry: { main: "cli/main.ts", ...modulesOfCommands() },
  splitting: false,
  outDir: "dist/cli",
  format: "esm",
  platform: "neutral",
  target: "es2022",
  removeNodeProtocol: false,
  external: [/^node:/, /^fetchcgi\//],
  esbuildPlugins: [commandsApart(), imports(), licences(), page()],
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

/** The modules that do the work of commands, by the names of their files: `cli/check/server/run.ts` becomes `check-server.js`. */
function modulesOfCommands(): Record<string, string> {
  const files = readdirSync("cli", { recursive: true, encoding: "utf8" }).map((file) => join("cli", file));
  const modules = files.filter((file) => file.endsWith("run.ts") && files.includes(join(dirname(file), "command.ts")));
  return Object.fromEntries(
    modules.filter((file) => dirname(file) !== join("cli", "frame")).map((file) => [nameOf(file), file]),
  );
}

function nameOf(module: string): string {
  return relative("cli", dirname(module)).split(sep).join("-");
}

/** Leaves `import("./run.ts")` of a command to the time when it runs. */
function commandsApart(): Plugin {
  return {
    name: "commands-apart",
    setup(build) {
      build.onResolve({ filter: /^\.\/run\.ts$/ }, ({ kind, resolveDir, path }) =>
        kind === "dynamic-import" ? { path: `./${nameOf(join(resolveDir, path))}.js`, external: true } : undefined,
      );
    },
  };
}

/**
 * Lets each import from a door of `src` lead to the file behind it: what is behind the others is left out. Modules of Node are taken
 * without an import, which loads what any of their exports needs.
 */
function imports(): Plugin {
  const doors = new Map(["src/index.ts", "src/toolkit.ts"].map((door) => [resolve(door), placesIn(door)]));
  return {
    name: "imports",
    setup(build) {
      build.onLoad({ filter: /[/\\](?:cli|adapters)[/\\].*\.ts$/ }, ({ path }) => ({
        loader: "ts",
        contents: readFileSync(path, "utf8").replaceAll(
          /^import \{([^}]*)\} from "([^"]+)";$/gm,
          (line, names: string, from: string) => {
            if (from.startsWith("node:")) return builtinOf(names, from);
            const places = doors.get(resolve(dirname(path), from));
            return places === undefined ? line : importsOf(names, places, dirname(path));
          },
        ),
      }));
    },
  };
}

/** The names of an import without the types, which are gone in what is built. */
function valuesOf(names: string): string[] {
  return names
    .split(",")
    .map((name) => name.trim())
    .filter((name) => name !== "" && !name.startsWith("type "));
}

/** A line that takes names from a module of Node. Node before 20.16 has no other way than to import it. */
function builtinOf(names: string, module: string): string {
  const values = valuesOf(names).map((name) => name.replace(" as ", ": "));
  if (values.length === 0) return "";
  return `const { ${values.join(", ")} } = process.getBuiltinModule?.("${module}") ?? (await import("${module}"));`;
}

/** Lines that import each name from its place. */
function importsOf(names: string, places: ReadonlyMap<string, string>, folder: string): string {
  return valuesOf(names)
    .map((name) => {
      const place = places.get(name.split(" as ")[0]!)!;
      return `import { ${name} } from "./${relative(folder, place)}";`;
    })
    .join(" ");
}

/** The files from which a door exports its names. */
function placesIn(door: string): Map<string, string> {
  const text = readFileSync(door, "utf8");
  const places = new Map<string, string>();
  for (const [, from] of text.matchAll(/^export \* from "([^"]+)";$/gm))
    for (const [name, place] of placesIn(join(dirname(door), from!))) places.set(name, place);
  for (const [, names, from] of text.matchAll(/^export \{([^}]*)\} from "([^"]+)";$/gm))
    for (const name of names!.split(",")) places.set(name.trim(), resolve(dirname(door), from!));
  return places;
}
