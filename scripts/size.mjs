// npm run size: what the package adds to a program, bundled, minified and gzipped: from its source, file by file, and from the
// built files that users get, where a bundler can leave out less.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { projectFolder } from "./run.mjs";

/** Gzipped bytes that a program with the HTTP client may have, in kB of 1000 bytes as size-limit and bundlers count them. */
export const MAX_CLIENT_BYTES = 29_200;

/** The imports of each measured program, by name. */
const programs = {
  "HTTP client": "export { FastCgiHttpClient } from 'fetchcgi'",
  "HTTP service": "export { FastCgiHttpService, FastCgiServer } from 'fetchcgi/toolkit'",
  "whole core": "export * from 'fetchcgi/toolkit'",
};

/** The files of the two entries of the core. */
const SOURCE = { fetchcgi: "src/index.ts", "fetchcgi/toolkit": "src/toolkit.ts" };
const BUILT = { fetchcgi: "dist/index.js", "fetchcgi/toolkit": "dist/toolkit.js" };

/** Bytes of each program, minified and then gzipped; and the files of the package that are in it. */
export async function sizes(doors = SOURCE) {
  // The esbuild that tsup brings.
  const { build } = createRequire(createRequire(import.meta.url).resolve("tsup"))("esbuild");
  const measure = async ([name, contents]) => {
    const { outputFiles, metafile } = await build({
      stdin: { contents, resolveDir: projectFolder },
      alias: Object.fromEntries(Object.entries(doors).map(([name, path]) => [name, join(projectFolder, path)])),
      bundle: true,
      minify: true,
      format: "esm",
      platform: "neutral",
      target: "es2022",
      absWorkingDir: projectFolder,
      metafile: true,
      write: false,
    });
    const [{ contents: code }] = outputFiles;
    const [{ inputs }] = Object.values(metafile.outputs);
    const files = Object.keys(inputs).filter((file) => inputs[file].bytesInOutput > 0);
    return { name, minified: code.length, gzipped: gzipSync(code, { level: 9 }).length, files };
  };
  return Promise.all(Object.entries(programs).map(measure));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const doors of [SOURCE, BUILT].filter(({ fetchcgi }) => existsSync(join(projectFolder, fetchcgi)))) {
    console.log(doors.fetchcgi);
    for (const { name, minified, gzipped } of await sizes(doors)) {
      console.log(
        `  ${name.padEnd(12)} ${kilobytes(minified)} minified ${kilobytes(gzipped)} gzipped (${gzipped} bytes)`,
      );
    }
  }
  console.log(`The HTTP client may have ${kilobytes(MAX_CLIENT_BYTES).trim()}.`);
}

/** In units of 1000 bytes. */
function kilobytes(bytes) {
  return `${(bytes / 1000).toFixed(2)} kB`.padStart(9);
}
