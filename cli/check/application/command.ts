import { ADDRESS } from "../../address_text.ts";
import type { Command } from "../../frame/command.ts";
import { CHECK_EXIT_CODES } from "../exit_codes.ts";
import { applicationOptions } from "./options.ts";

export const checkApplicationCommand: Command = {
  name: "check application",
  summary: "checks which rules of FastCGI 1.0 and CGI/1.1 an application keeps",
  about: [
    "It sends what web servers send, what they may send, and what no web server should send. Some applications hang or crash when they get it: don't point it at one that is in use, or give --safe.",
    "The more the pages of --uri and --body-uri show, the more rules can be checked.",
  ],
  operands: [{ name: "ADDRESS", about: ADDRESS }],
  options: applicationOptions,
  exitCodes: CHECK_EXIT_CODES,
  examples: [
    [
      "fetchcgi check application unix:/run/php/php8.2-fpm.sock --script /srv/app/public/index.php",
      "checks php-fpm with one script",
    ],
    ["fetchcgi check application 127.0.0.1:9000 --json > report.json", "the report for a machine"],
  ],
  load: () => import("./run.ts"),
};
