import type { Command } from "../../frame/command.ts";
import { CHECK_EXIT_CODES } from "../exit_codes.ts";
import { serverOptions } from "./options.ts";

export const checkServerCommand: Command = {
  name: "check server",
  summary: "checks which rules of FastCGI 1.0 and CGI/1.1 a web server keeps",
  about: [
    "It acts as an application. Configure the web server to pass requests to it; each is answered with a page that shows what the web server sent for it.",
  ],
  options: serverOptions,
  exitCodes: CHECK_EXIT_CODES,
  examples: [
    [
      "fetchcgi check server --listen unix:/run/app/app.sock --url http://127.0.0.1:8080/",
      "sends requests through the web server at that URL",
    ],
    ["fetchcgi check server --listen 127.0.0.1:9000", "reports on the requests of a browser, until Ctrl+C"],
  ],
  load: () => import("./run.ts"),
};
