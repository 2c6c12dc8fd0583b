#!/usr/bin/env node
// The program `fetchcgi`.

import { processContext } from "./frame/process.ts";
import { runCommand } from "./frame/run.ts";

process.exitCode = await runCommand(process.argv.slice(2), processContext());
