// `fetchcgi gateway --https` with php-fpm behind, and clients that speak HTTP/2: Node's, and curl.

import { execFile } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { type ClientHttp2Session, type ClientHttp2Stream, connect, constants } from "node:http2";
import { join } from "node:path";
import { connect as connectTls } from "node:tls";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { makeCertificate } from "../../cli/gateway/certificate.ts";
import { requireProgram } from "../../scripts/setup.mjs";
import { type Gateway, startGateway } from "../support/gateway.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { startProcess, waitUntil } from "../support/process.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

const WORKERS = 4;
const PIECE = 65_536;
const PIECES = 500;

const SCRIPTS: Readonly<Record<string, string>> = {
  "echo.php": `<?php $body = file_get_contents('php://input');
echo $_SERVER['SERVER_PROTOCOL'], ' ', $_SERVER['HTTPS'], ' ', $_GET['id'] ?? '', ' ', strlen($body), ' ', hash('sha256', $body);`,
  "wait.php": `<?php touch($_GET['begun']);
while (!file_exists($_GET['go'])) { usleep(5000); clearstatcache(); }
echo 'went';`,
  // For a minute: whatever goes wrong, the test ends.
  "ticks.php": `<?php register_shutdown_function(fn () => file_put_contents($_GET['end'], connection_aborted() ? 'aborted' : 'whole'));
for ($tick = 0; $tick < 6000; $tick++) { echo str_repeat('x', 1000); flush(); usleep(10_000); }`,
  "big.php": `<?php for ($i = 0; $i < ${PIECES}; $i++) { echo str_repeat(chr(65 + $i % 26), ${PIECE}); file_put_contents($_GET['sent'], $i); }`,
};

let directory: TemporaryDirectory;
let php: PhpFpm<{ path: string }>;
let gateway: Gateway;
let session: ClientHttp2Session;

beforeAll(async () => {
  directory = await createTemporaryDirectory("http2");
  for (const [name, text] of Object.entries(SCRIPTS)) writeFileSync(inFolder(name), text);
  php = await startPhpFpm({ pool: { "pm.max_children": String(WORKERS) } });
  gateway = await startGateway([directory.path, "--fastcgi", php.target.path, "--https", "--json"]);
  session = connect(gateway.url, { rejectUnauthorized: false });
  await once(session, "connect");
});

afterAll(async () => {
  session?.close();
  await gateway?.stop();
  await php?.stop();
  await directory?.remove();
});

function inFolder(name: string): string {
  return join(directory.path, name);
}

/** A path with a query that names files of the test. */
function pathOf(script: string, files: Readonly<Record<string, string>>): string {
  const query = Object.entries(files).map(([name, file]) => `${name}=${encodeURIComponent(inFolder(file))}`);
  return `/${script}?${query.join("&")}`;
}

/** Sends a request on the one connection. */
function open(path: string, body?: Uint8Array): ClientHttp2Stream {
  const stream = session.request({ ":path": path, ":method": body === undefined ? "GET" : "POST" });
  stream.on("error", () => {});
  stream.end(body);
  return stream;
}

async function textOf(stream: ClientHttp2Stream): Promise<string> {
  let text = "";
  for await (const piece of stream.setEncoding("utf8")) text += piece;
  return text;
}

const digestOf = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

describe("fetchcgi gateway by HTTP/2", () => {
  it("gives each of 100 streams of one connection its own answer, while others wait", async () => {
    expect(session.alpnProtocol).toBe("h2");
    const files = { begun: "begun", go: "go" };
    const waiting = textOf(open(pathOf("wait.php", files)));
    await waitUntil(() => existsSync(inFolder("begun")));
    const ids = Array.from({ length: 100 }, (_, id) => id);
    const bodies = ids.map((id) => (id % 2 === 0 ? new Uint8Array() : randomBytes(id * 1000)));
    const answers = await Promise.all(
      ids.map((id) => textOf(open(`/echo.php?id=${id}`, id % 2 === 0 ? undefined : bodies[id]))),
    );
    expect(answers).toEqual(ids.map((id) => `HTTP/2.0 on ${id} ${bodies[id]!.length} ${digestOf(bodies[id]!)}`));
    writeFileSync(inFolder("go"), "");
    expect(await waiting).toBe("went");
  });

  it("takes an upload of 8 MB, whole", async () => {
    const bytes = randomBytes(8_000_000);
    expect(await textOf(open("/echo.php", bytes))).toBe(`HTTP/2.0 on  ${bytes.length} ${digestOf(bytes)}`);
  });

  it("ends the script of a stream that its client resets, and no other", async () => {
    const [one, other] = ["one", "other"].map((name) => open(pathOf("ticks.php", { end: name })));
    await Promise.all([once(one!, "data"), once(other!, "data")]);
    one!.close(constants.NGHTTP2_CANCEL);
    await waitUntil(() => existsSync(inFolder("one")));
    expect(readFileSync(inFolder("one"), "utf8")).toBe("aborted");
    await once(other!, "data");
    expect(existsSync(inFolder("other"))).toBe(false);
    other!.close(constants.NGHTTP2_CANCEL);
    await waitUntil(() => existsSync(inFolder("other")));
    expect(await textOf(open("/echo.php?id=after"))).toMatch(/^HTTP\/2\.0 on after 0 /);
  });

  it("runs no script on an upload that is reset, and says so", async () => {
    const stream = session.request({ ":path": "/echo.php?half", ":method": "POST", "content-length": "6000000" });
    stream.on("error", () => {});
    // More than may be on its way: the gateway reads it.
    await new Promise((resolve) => stream.write(new Uint8Array(3_000_000), resolve));
    stream.close(constants.NGHTTP2_CANCEL);
    await waitUntil(() => gateway.log().includes("/echo.php?half"));
    expect(gateway.log()).toMatch(/"target":"\/echo\.php\?half","protocol":"HTTP\/2\.0","status":499/);
  });

  it("reads no more of a response than its client takes, and sends all of it", async () => {
    const stream = open(pathOf("big.php", { sent: "sent" }));
    const digest = createHash("sha256");
    const [first] = await once(stream, "data");
    digest.update(first);
    stream.pause();
    // The session is not held up by it, and PHP is: a shorter wait makes this milder.
    for (let id = 0; id < 50; id++) await textOf(open(`/echo.php?id=${id}`));
    const sent = Number(readFileSync(inFolder("sent"), "utf8"));
    expect(sent).toBeLessThan(PIECES / 2);
    for await (const piece of stream) digest.update(piece);
    const expected = createHash("sha256");
    for (let index = 0; index < PIECES; index++) expected.update(String.fromCharCode(65 + (index % 26)).repeat(PIECE));
    expect(digest.digest("hex")).toBe(expected.digest("hex"));
  });

  it("sends a file, a part of it, and its head", async () => {
    writeFileSync(inFolder("file.bin"), "0123456789".repeat(100_000));
    expect((await textOf(open("/file.bin"))).length).toBe(1_000_000);
    const part = session.request({ ":path": "/file.bin", range: "bytes=5-8" });
    const [headers] = await once(part, "response");
    expect([headers[":status"], await textOf(part)]).toEqual([206, "5678"]);
    const head = session.request({ ":path": "/file.bin", ":method": "HEAD" });
    const [fields] = await once(head, "response");
    expect([fields[":status"], fields["content-length"], await textOf(head)]).toEqual([200, "1000000", ""]);
  });

  it("answers curl", async () => {
    const args = ["--http2", "--insecure", "--silent", "--show-error", "--write-out", " %{http_version}"];
    const bytes = randomBytes(3_000_000);
    writeFileSync(inFolder("upload.bin"), bytes);
    const { stdout } = await promisify(execFile)(requireProgram("curl"), [
      ...args,
      "--data-binary",
      `@${inFolder("upload.bin")}`,
      `${gateway.url}/echo.php?id=curl`,
    ]);
    expect(stdout).toBe(`HTTP/2.0 on curl ${bytes.length} ${digestOf(bytes)} 2`);
  });

  it("uses a changed certificate after SIGHUP, for new connections, and goes on with the one before if it can't", async () => {
    const [cert, key] = [inFolder("cert.pem"), inFolder("key.pem")];
    const [first, second] = [await makeCertificate("first.test"), await makeCertificate("second.test")];
    const put = (certificate: string, itsKey: string): void => {
      writeFileSync(cert, certificate);
      writeFileSync(key, itsKey);
    };
    put(first.cert, first.key);
    const main = fileURLToPath(new URL("../../cli/main.ts", import.meta.url));
    const running = await startProcess(process.execPath, {
      name: "fetchcgi gateway",
      args: [
        ...["--import", "tsx", main, "gateway", directory.path, "--fastcgi", php.target.path, "--port", "0"],
        ...["--cert", cert, "--key", key],
      ],
    });
    onTestFinished(() => running.stop());
    await waitUntil(() => / at https:\S+$/m.test(running.stderr()), { message: running.stderr });
    const url = new URL(/ at (https:\S+)$/m.exec(running.stderr())![1]!);
    /** The names in the certificate of a new connection. */
    const shown = async (): Promise<string> => {
      const socket = connectTls({ port: Number(url.port), host: url.hostname, rejectUnauthorized: false });
      await once(socket, "secureConnect");
      const { subjectaltname } = socket.getPeerCertificate();
      socket.destroy();
      return subjectaltname ?? "";
    };
    const hangup = async (said: RegExp): Promise<void> => {
      const before = running.stderr().length;
      process.kill(running.pid, "SIGHUP");
      await waitUntil(() => said.test(running.stderr().slice(before)));
    };
    const kept = connect(url.origin, { rejectUnauthorized: false });
    onTestFinished(() => kept.destroy());
    await once(kept, "connect");
    expect(await shown()).toContain("first.test");

    put(second.cert, first.key);
    await hangup(/^fetchcgi: Cannot use --cert and --key: .*; all goes on as before$/m);
    expect(await shown()).toContain("first.test");

    put(second.cert, second.key);
    await hangup(/^fetchcgi: reloaded$/m);
    expect(await shown()).toContain("second.test");
    expect(await textOf(kept.request({ ":path": "/echo.php?id=kept" }))).toMatch(/^HTTP\/2\.0 on kept /);
  });
});
