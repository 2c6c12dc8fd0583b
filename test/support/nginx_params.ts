import { spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { requireProgram } from "../../scripts/setup.mjs";

/**
 * The `fastcgi_params` that came with the nginx on this machine, untouched: what its users include. Distributions change the file;
 * Debian's sets HTTP_HOST to `$host`.
 */
export function stockFastCgiParams(): string {
  const { stderr } = spawnSync(requireProgram("nginx"), ["-V"], { encoding: "utf8" });
  const configuration = /--conf-path=(\S+)/.exec(stderr)?.[1];
  if (configuration === undefined) throw new Error(`Cannot find nginx's fastcgi_params: nginx -V says ${stderr}`);
  return readFileSync(join(dirname(configuration), "fastcgi_params"), "utf8");
}
