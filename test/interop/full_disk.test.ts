// The disk of a web server, of php-fpm or of `fetchcgi gateway` is full. That of our own temporary files is in
// test/adapters/node_spool.test.ts as well.

import { readdirSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { FastCgiHttpClient, serve } from "../../adapters/node/index.ts";
import { bundle } from "../support/bundle.ts";
import { sha256 } from "../support/bytes.ts";
import { httpRequest } from "../support/http.ts";
import { fastCgiLocation, type Nginx, startNginx } from "../support/nginx.ts";
import { patternBytes } from "../support/pattern.ts";
import { connectorTo } from "../support/php_client.ts";
import { type PhpFpm, phpScripts, startPhpFpm } from "../support/php_fpm.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { createSmallDisk, type SmallDisk } from "../support/small_disk.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const MIB = 1024 * 1024;
/** How nginx says it: the first write that does not fit is cut, and only the next one fails. */
const DISK_FULL = /\[crit\].*(?:No space left on device|File too large|has written only)/;

/** How the gateway says it. */
const CANT_KEEP = /^fetchcgi: POST \/upload-digest\.php: Cannot keep the request body: (?:ENOSPC|EFBIG): /;

let folder: TemporaryDirectory;
let disk: SmallDisk;

beforeEach(async () => {
  folder = await createTemporaryDirectory("full-disk");
  disk = await createSmallDisk(join(folder.path, "disk"));
});
afterEach(async () => {
  await disk.remove();
  await folder.remove();
});

describe("nginx in front of an application", () => {
  let nginx: Nginx;
  const errors: unknown[] = [];
  const requests: string[] = [];
  let aborted: unknown;

  beforeEach(async () => {
    errors.length = 0;
    requests.length = 0;
    aborted = undefined;
    const path = join(folder.path, "app.sock");
    const server = await serve({
      path,
      onError: (error) => errors.push(error),
      fetch(request) {
        const { pathname } = new URL(request.url);
        requests.push(pathname);
        request.signal.addEventListener("abort", () => {
          aborted = request.signal.reason;
        });
        if (pathname !== "/large") return new Response("small");
        let left = 64;
        return new Response(
          new ReadableStream({
            pull(controller) {
              if (left-- > 0) controller.enqueue(new Uint8Array(MIB / 4));
              else controller.close();
            },
          }),
        );
      },
    });
    onTestFinished(() => server.close({ timeout: 0 }));
    const extra = `client_body_temp_path ${disk.path}/body; fastcgi_temp_path ${disk.path}/fastcgi;`;
    nginx = await startNginx({ disk, locations: [fastCgiLocation(`unix:${path}`, { extra })] });
    onTestFinished(() => nginx.stop());
  });

  it("serve gets no request whose body nginx can't store on a full disk, and goes on", async () => {
    const upload = await fetch(`${nginx.url}/upload`, { method: "POST", body: new Uint8Array(2 * MIB) });
    expect(upload.status).toBe(500);
    expect(nginx.errorLog()).toMatch(DISK_FULL);
    expect(await (await fetch(`${nginx.url}/`)).text()).toBe("small");
    expect(requests).toEqual(["/"]);
    expect(errors).toEqual([]);
  });

  it("request.signal aborts when nginx can't store a response on a full disk, which looks cut, and others go on", async () => {
    // A client that reads nothing, so that nginx has to store what it can't send.
    const client = connect({ port: nginx.port, host: "127.0.0.1" });
    client.on("error", () => {});
    client.pause();
    client.write("GET /large HTTP/1.1\r\nHost: a.test\r\n\r\n");
    await waitUntil(() => aborted !== undefined);
    expect(nginx.errorLog()).toMatch(DISK_FULL);
    expect(await (await fetch(`${nginx.url}/`)).text()).toBe("small");
    expect(errors).toEqual([]);
    let text = "";
    for await (const piece of client.setEncoding("latin1")) text += piece;
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text).toMatch(/^Transfer-Encoding: chunked\r$/m);
    expect(text).not.toMatch(/\r\n0\r\n\r\n$/);
  });
});

describe("php-fpm", () => {
  let php: PhpFpm;

  beforeEach(async () => {
    php = await startPhpFpm({ disk });
    onTestFinished(() => php.stop());
  });

  /** How PHP says that it can't store a body. The script runs without it. */
  const DISCARDED = "POST data can't be buffered; all data discarded";
  /** PHP's error of a file that it can't store: UPLOAD_ERR_CANT_WRITE. */
  const CANT_WRITE = 7;

  const formOf = (bytes: number): FormData => {
    const form = new FormData();
    form.set("name", "value");
    form.set("file", new Blob([patternBytes(bytes)]), "file.bin");
    return form;
  };

  it("fetch gives the answer of a script whose upload PHP can't store on a full disk, and PHP's message", async () => {
    const messages: string[] = [];
    const post = async (script: string, body: BodyInit): Promise<unknown> => {
      const client = new FastCgiHttpClient(connectorTo(php.target, script), {
        onStderr: (text) => void messages.push(text),
      });
      const response = await client.fetch("http://a.test/?files=1", { method: "POST", body });
      expect(response.status).toBe(200);
      return response.json();
    };
    const file = { error: CANT_WRITE, bytes: 0, sha256: null };
    expect(await post("form.php", formOf(2 * MIB))).toMatchObject({ fields: { name: "value" }, files: { file } });
    expect(messages).toEqual([]);
    const bytes = patternBytes(2 * MIB);
    expect(await post("upload-digest.php", bytes)).toMatchObject({ bytes: 0, contentLength: `${bytes.length}` });
    expect(messages.join()).toContain(DISCARDED);
    // Nothing is left on the disk, so that what fits is stored.
    expect(readdirSync(disk.path)).toEqual([]);
    const small = patternBytes(MIB / 4);
    expect(await post("upload-digest.php", small)).toMatchObject({ bytes: small.length, sha256: sha256(small) });
    expect(await post("form.php", formOf(MIB / 4))).toMatchObject({ files: { file: { sha256: sha256(small) } } });
  });

  it("fetchcgi gateway answers 500 when it can't store an upload on a full disk, says why, and asks PHP for nothing", async () => {
    const { path } = php.target as { path: string };
    const main = await bundle("cli/main.ts", folder.path);
    const plain = [main, "gateway", phpScripts, "--fastcgi", path, "--port", "0"];
    const [program, args] = disk.command(process.execPath, plain);
    const env = { ...process.env, TMPDIR: disk.path };
    const gateway = await startProcess(program, { name: "the gateway", args, env });
    onTestFinished(() => gateway.stop());
    const urlOf = (): string | undefined => / at (http:\S+)\/$/m.exec(gateway.stderr())?.[1];
    await waitUntil(() => urlOf() !== undefined, { message: () => gateway.stderr() });
    const post = async (body: Uint8Array | Iterable<Uint8Array>): Promise<[status: number, text: string]> => {
      const { status, text } = await httpRequest(`${urlOf()}/upload-digest.php`, { body });
      return [status, text()];
    };

    const large = patternBytes(2 * MIB);
    for (const body of [large, [large]]) expect(await post(body)).toEqual([500, "Internal Server Error\n"]);
    await waitUntil(
      () =>
        gateway
          .stderr()
          .split("\n")
          .filter((line) => CANT_KEEP.test(line)).length === 2,
    );
    expect(gateway.stderr()).not.toContain("PHP message");
    expect(readdirSync(disk.path)).toEqual([]);
    // What the gateway keeps in memory, PHP can't store: it says so, and runs the script.
    expect(await post(patternBytes(MIB - 1))).toEqual([200, expect.stringContaining('{"bytes":0,')]);
    await waitUntil(() => gateway.stderr().includes(DISCARDED));
    const small = patternBytes(MIB / 4);
    expect(await post(small)).toEqual([200, expect.stringContaining(sha256(small))]);
  });
});
