import type { Command } from "../frame/command.ts";
import { inspectOptions } from "./options.ts";

export const inspectCommand: Command = {
  name: "inspect",
  summary: "shows recorded FastCGI traffic",
  about: [
    "It reads what `fetchcgi tap` writes with --write or prints with --json, the bytes that one side of a connection has sent, and the recordings of this project's tests. What is shown is what `fetchcgi tap` shows.",
  ],
  operands: [{ name: "FILE", about: "the file, or - for standard input" }],
  options: inspectOptions,
  exitCodes: [
    [0, "all of it was shown"],
    [1, "it ends or breaks in the middle; what comes before was shown"],
    [2, "the arguments are wrong, or the file can't be read, or is none of these"],
  ],
  examples: [
    ["fetchcgi inspect wire.ndjson --verbose", "all that was recorded"],
    ["fetchcgi inspect wire.ndjson --find checkout --params", "the requests that have to do with a checkout"],
    ["nc -l 9000 | fetchcgi inspect -", "what a web server sends"],
  ],
  load: () => import("./run.ts"),
};
