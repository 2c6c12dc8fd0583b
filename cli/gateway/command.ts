import { type Command, EXIT_INTERRUPTED } from "../frame/command.ts";
import { GATEWAY_EXITS } from "./exits.ts";
import { gatewayOptions } from "./options.ts";

export const gatewayCommand: Command = {
  name: "gateway",
  summary: "serves a PHP site, or any FastCGI application, by HTTP",
  about: [
    "It starts the installed php-fpm or php-cgi for itself alone, or uses the application of --fastcgi. A path leads to its script, else to its file, else to the front controller: what nginx does with `try_files $uri $uri/ /index.php?$args`. Sources, dot files, configuration, backups and logs are never sent.",
    "With --fastcgi and without a folder, every request goes to the application.",
    "SIGTERM and Ctrl+C let running requests finish; a second one ends at once. SIGHUP starts PHP anew, with its changed settings, and reads the certificate again, without a lost request.",
  ],
  operands: [{ name: "FOLDER", about: "the site's document root (. by default)", isOptional: true }],
  options: gatewayOptions,
  exitCodes: [
    [GATEWAY_EXITS.ended, "it was asked to end, and has"],
    [GATEWAY_EXITS.failed, "PHP is not installed or does not start, or it could not listen"],
    [2, "the arguments are wrong, or a folder or a file that they name can't be used"],
    [EXIT_INTERRUPTED, "it was asked to end, but what reads its output, or writes the file of --cert, has stopped"],
  ],
  examples: [
    ["fetchcgi gateway", "the PHP site in this folder, at http://127.0.0.1:8080/"],
    ["fetchcgi gateway public --https --port 8443 --display-errors", "for development, by HTTPS"],
    ["fetchcgi gateway /srv/site --fastcgi /run/php/php8.2-fpm.sock", "a php-fpm that runs already"],
    ["fetchcgi gateway --fastcgi 127.0.0.1:9000 --port 80 --host 0.0.0.0", "any application, for all paths"],
  ],
  load: () => import("./run.ts"),
};
