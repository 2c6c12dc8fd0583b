import { ADDRESS } from "../address_text.ts";
import { type Command, EXIT_INTERRUPTED } from "../frame/command.ts";
import { pingOptions } from "./options.ts";
import { STATE_CODES } from "./state.ts";

export const pingCommand: Command = {
  name: "ping",
  summary: "says whether an application answers: for HEALTHCHECK, probes and monitoring",
  about: [
    "It sends one request. Any complete answer but an error of the server (5xx) says that the application is up; --expect or --status asks for more. One line says what was seen and what to do about it.",
  ],
  operands: [{ name: "ADDRESS", about: ADDRESS }],
  options: pingOptions,
  exitCodes: [
    [STATE_CODES.up, "up: the application has answered"],
    [STATE_CODES.down, "down: nothing listens there"],
    [2, "the arguments are wrong"],
    [
      STATE_CODES.saturated,
      "saturated: connections wait for a worker, or the backlog is full, or no answer came in time",
    ],
    [
      STATE_CODES.wrong,
      "wrong: something else answers, or this user may not connect, or the answer is not what was expected; a restart won't help",
    ],
    [EXIT_INTERRUPTED, "Ctrl+C or SIGTERM"],
  ],
  examples: [
    ["fetchcgi ping unix:/run/php/php8.2-fpm.sock --uri /ping --expect pong", "php-fpm with ping.path = /ping"],
    [
      "fetchcgi ping 127.0.0.1:9001 --status /status --prometheus",
      "the numbers of php-fpm with pm.status_path = /status; pm.status_listen = 127.0.0.1:9001 answers even if all workers are busy",
    ],
    ["fetchcgi ping /run/app.sock --uri /health --allow saturated", "any application, for a liveness probe"],
  ],
  load: () => import("./run.ts"),
};
