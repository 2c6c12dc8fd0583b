import { join } from "node:path";
import { afterAll, beforeAll, describe, expect } from "vitest";
import { patternSha256 } from "../../support/pattern.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../../support/php_fpm.ts";
import type { Setting } from "./battery.ts";
import type { Operation, Outcome } from "./programs/operations.ts";

const MIB = 1024 * 1024;

/** The client in front of a real php-fpm. */
export function phpFpmCases({ column, kind, link }: Setting): void {
  describe("php-fpm behind", () => {
    let php: PhpFpm;
    beforeAll(async () => {
      php = await startPhpFpm({ listen: kind === "TCP" ? "tcp" : "unix" });
    });
    afterAll(() => php?.stop());

    const ask = (script: string, what: Partial<Operation> = {}): Promise<Outcome> => {
      const target = "path" in php.target ? php.target : { port: php.target.port };
      return link().run({ do: "fetch", script: join(phpScripts, script), ...what, target } as Operation);
    };
    const digestOf = (bytes: number) => ({ bytes, sha256: patternSha256(bytes), contentLength: String(bytes) });

    column.test("php-fpm behind", "fetch gets the response, status and all, when php-fpm answers", async () => {
      expect(await ask("hello.php")).toMatchObject({ status: 200, text: expect.stringMatching(/./) });
      expect(await ask("status.php", { url: "/?code=404" })).toEqual({ status: 404, text: "status 404\n" });
      expect(await ask("flush.php", { url: "/?chunks=3" })).toMatchObject({ text: "chunk 0\nchunk 1\nchunk 2\n" });
    });

    column.test("php-fpm behind", "fetch announces the right length when a body has to be measured", async () => {
      expect(JSON.parse((await ask("upload-digest.php", { upload: MIB })).text!)).toEqual(digestOf(MIB));
      const { error, text } = await ask("upload-digest.php", { upload: 10 * MIB });
      // Beyond a MiB it goes to disk, where there is one.
      if (column.runtime === "workerd") expect(error).toMatch(/^lengthRequired: /);
      else expect(JSON.parse(text!)).toEqual(digestOf(10 * MIB));
    });

    column.test("php-fpm behind", "fetch carries every byte when php-fpm answers with 20 MiB", async () => {
      expect(await ask("big.php", { url: `/?bytes=${20 * MIB}` })).toEqual({ status: 200, bytes: 20 * MIB });
    });

    column.test("php-fpm behind", "fetch gets the next answer when it gave up the one before", async () => {
      // As often as there are workers, and once more.
      for (let count = 0; count < 5; count++) {
        expect((await ask("big.php", { url: `/?bytes=${50 * MIB}`, abort: true })).error).toMatch(/abort/i);
      }
      expect(await ask("hello.php")).toMatchObject({ status: 200 });
    });
  });
}
