import { ADDRESS } from "../address_text.ts";
import type { Command } from "../frame/command.ts";
import { REQUEST_EXITS } from "./exits.ts";
import { requestOptions } from "./options.ts";

export const requestCommand: Command = {
  name: "request",
  summary: "sends one request to an application, as curl does to a web server",
  about: [
    "The variables are those that nginx sends. The body streams both ways: a large upload or download needs no memory.",
  ],
  operands: [
    { name: "ADDRESS", about: ADDRESS },
    { name: "URL", about: "a path, or a URL whose host and scheme become variables (/ by default)", isOptional: true },
  ],
  options: requestOptions,
  exitCodes: [
    [REQUEST_EXITS.answered, "a whole answer came, with a status below 400"],
    [REQUEST_EXITS.refused, "a whole answer came, with a status from 400 on"],
    [2, "the arguments are wrong, or a file can't be read or written"],
    [REQUEST_EXITS.unreachable, "there was no connection"],
    [REQUEST_EXITS.broken, "the exchange broke off, took too long, or was no answer"],
    [REQUEST_EXITS.interrupted, "Ctrl+C or SIGTERM"],
  ],
  examples: [
    [
      "fetchcgi request unix:/run/php/php8.2-fpm.sock '/products?page=2' --script /srv/app/public/index.php -i --stderr",
      "a page of php-fpm with its header, and PHP's messages",
    ],
    ["fetchcgi request 127.0.0.1:9000 /upload --data @video.mp4", "a large upload"],
    ["tar c . | fetchcgi request /run/app.sock /backup --data -", "standard input"],
    ["fetchcgi request /run/app.sock / --repeat 1000 --concurrency 8", "times and statuses"],
  ],
  load: () => import("./run.ts"),
};
