// What lighttpd and mod_fcgid start: the battery's application on descriptor 0. Bundled into one file, because the web server's
// user may not be able to read this folder.

import { serve } from "../../../adapters/node/index.ts";
import { batteryApplication } from "./application.ts";
import { remoteStage } from "./control.ts";

const [, , control] = process.argv;
if (control === undefined) throw new Error("Usage: spawned <control socket>");

const listener = await serve({ fd: 0, ...batteryApplication(remoteStage(control)) });
process.once("SIGTERM", () => void listener.close({ timeout: 1000 }).then(() => process.exit()));
