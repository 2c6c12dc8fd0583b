import { join } from "node:path";
import { onTestFinished } from "vitest";
import { type FastCgiHttpConnector, FastCgiTcpConnector, FastCgiUnixConnector } from "../../adapters/node/index.ts";
import { toStreams } from "../../src/toolkit.ts";
import { type PhpFpm, type PhpFpmOptions, phpScripts, startPhpFpm } from "./php_fpm.ts";
import type { FastCgiTarget } from "./target.ts";

/** The preset for one script of a folder, by default of test/interop/php. */
export function connectorTo(target: FastCgiTarget, script: string, folder: string = phpScripts): FastCgiHttpConnector {
  const file = join(folder, script);
  return "path" in target
    ? FastCgiUnixConnector.phpFpm(target.path, file)
    : FastCgiTcpConnector.phpFpm({ hostname: target.host, port: target.port }, file);
}

/** The same, and notes which connections were opened and are not closed yet. */
export function counting(connector: FastCgiHttpConnector): {
  count: { opened: number; open: number; most: number };
  connector: FastCgiHttpConnector;
} {
  const count = { opened: 0, open: 0, most: 0 };
  const counted: FastCgiHttpConnector = {
    preset: connector.preset,
    async connect(options) {
      const connection = toStreams(await connector.connect(options));
      let isOpen = true;
      count.opened++;
      count.open++;
      count.most = Math.max(count.most, count.open);
      return {
        ...connection,
        close() {
          if (isOpen) count.open--;
          isOpen = false;
          return connection.close();
        },
      };
    },
  };
  return { count, connector: counted };
}

/** A php-fpm that is stopped behind the test. */
export async function startPool(options: PhpFpmOptions<"unix" | "tcp">): Promise<PhpFpm> {
  const pool = await startPhpFpm(options);
  onTestFinished(() => pool.stop());
  return pool;
}
