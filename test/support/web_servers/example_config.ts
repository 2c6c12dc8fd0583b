import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

/** What an example's configuration has to name, and what stands for it in a test. */
export interface Places {
  readonly port: number;
  /** The Unix socket of the application. */
  readonly socket: string;
  /** The folder of the site's files. */
  readonly www: string;
  /** Where the authorizer listens. */
  readonly authorizer?: { readonly socket: string; readonly port: number };
  /** The Unix socket of php-fpm. */
  readonly php?: string;
  /** The program that the web server starts. */
  readonly program?: string;
}

/** The text of a file below `examples/web-servers`, with nothing replaced but the places. */
export function exampleConfig(name: string, { port, socket, www, php, program, authorizer }: Places): string {
  const replacements = {
    "8080": String(port),
    "/run/app/app.sock": socket,
    "/srv/www": www,
    ...(php !== undefined && { "/run/php/php8.2-fpm.sock": php }),
    ...(program !== undefined && { "/srv/app/app.fcgi": program }),
    ...(authorizer !== undefined && { "/run/app/auth.sock": authorizer.socket, "9001": String(authorizer.port) }),
  };
  let text = exampleText(name);
  for (const [from, to] of Object.entries(replacements)) text = text.replaceAll(from, to);
  const left = /^[^#\n]*(?:\/run\/|\/srv\/)\S*/m.exec(text);
  if (left !== null) throw new Error(`Cannot use examples/web-servers/${name}: nothing replaces "${left[0].trim()}"`);
  return text;
}

/** The text of a file below `examples/web-servers`. */
export function exampleText(name: string): string {
  return readFileSync(fileURLToPath(new URL(`../../../examples/web-servers/${name}`, import.meta.url)), "utf8");
}
