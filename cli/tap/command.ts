import { type Command, EXIT_INTERRUPTED } from "../frame/command.ts";
import { tapOptions } from "./options.ts";

export const tapCommand: Command = {
  name: "tap",
  summary: "shows the traffic between a web server and an application",
  about: [
    "It listens where the web server connects, and passes everything on to the application, both ways and byte for byte. Each request is shown when it is over, with what is odd about it and the rule in the conformance table. A slow terminal holds nothing up: what it can't show in time is left out and counted.",
    "SIGTERM and Ctrl+C let running requests finish; a second one ends at once.",
  ],
  options: tapOptions,
  exitCodes: [
    [0, "it was asked to end, and has"],
    [1, "it could not listen, or the recording ended early"],
    [2, "the arguments are wrong, or the file of --write can't be written"],
    [EXIT_INTERRUPTED, "Ctrl+C or SIGTERM, while it waits for a reader of the named pipe of --write"],
  ],
  examples: [
    [
      "fetchcgi tap --listen unix:/run/tap.sock --to unix:/run/php/php8.2-fpm.sock",
      "for nginx: fastcgi_pass unix:/run/tap.sock;",
    ],
    ["fetchcgi tap --listen tcp:127.0.0.1:9001 --to 127.0.0.1:9000 --verbose", "variables, records and bodies too"],
    [
      "fetchcgi tap --listen unix:/run/tap.sock --to /run/app.sock --write wire.ndjson",
      "for `fetchcgi inspect wire.ndjson`",
    ],
  ],
  load: () => import("./run.ts"),
};
