#!/usr/bin/env node
// The program `fetchcgi`. It only connects the command to the process.

import { runCommand } from "./command.ts";

const controller = new AbortController();
process.once("SIGINT", () => controller.abort()).once("SIGTERM", () => controller.abort());

process.exitCode = await runCommand(process.argv.slice(2), {
  print: (text) => console.log(text),
  printError: (text) => console.error(text),
  signal: controller.signal,
});
