// What has been done to FastCGI applications through their web server, done to php-fpm through this client. The pool runs files of
// any extension and looks for scripts above missing ones, as older set-ups do, so that nothing but the client stands in the way.

import { existsSync, readFileSync, rmSync } from "node:fs";
import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import {
  type FastCgiFetchInit,
  FastCgiHttpClient,
  FastCgiUnixConnector,
  Role,
  scriptOnDisk,
  scriptsIn,
} from "../../adapters/node/index.ts";
import { encodeBeginRequestBody, encodeNameValuePairs, encodeRecords, RecordType } from "../../src/toolkit.ts";
import { sha256 } from "../support/bytes.ts";
import { type PhpFpm, startPhpFpm } from "../support/php_fpm.ts";
import { streamOf } from "../support/streams.ts";
import { createTemporaryDirectory, type TemporaryDirectory } from "../support/temporary_directory.ts";
import { failOnUnhandledRejections } from "../support/unhandled_rejections.ts";

failOnUnhandledRejections();

/** What a script saw of a request. */
interface Seen {
  file: string;
  server: Record<string, string>;
  /** Bytes in each of them, also of those that are not UTF-8. */
  lengths: Record<string, number>;
  proxy: string | false;
  ini: Record<string, string>;
  body: { bytes: number; sha256: string };
}

const SHOW = `<?php
header('Content-Type: application/json');
$body = file_get_contents('php://input');
echo json_encode([
    'file' => substr(__FILE__, strlen(dirname(realpath($_SERVER['DOCUMENT_ROOT'])))),
    'server' => array_map(strval(...), $_SERVER),
    'lengths' => array_map(fn ($value) => strlen(strval($value)), $_SERVER),
    'proxy' => getenv('HTTP_PROXY'),
    'ini' => ['auto_prepend_file' => ini_get('auto_prepend_file'), 'memory_limit' => ini_get('memory_limit')],
    'body' => ['bytes' => strlen($body), 'sha256' => hash('sha256', $body)],
], JSON_INVALID_UTF8_SUBSTITUTE);
`;

/** Scripts that answer. */
const SCRIPTS: readonly string[] = ["site/index.php", "site/sub/index.php"];

/** Files that hold PHP and must not run, under names that have been taken for scripts. */
const TRAPS: readonly string[] = [
  "secret.php",
  "site/upload.jpg",
  "site/upload.php5",
  "site/upload.phtml",
  "site/UPLOAD.PHP",
  "site/upload.pHp",
  "site/upload.php ",
  "site/upload.php.",
  "site/.php",
  "site/.git/hook.php",
  "site/.hidden.php",
  "site/a/b.php",
  "site/upload.ⓟⓗⓟ",
  "site/upload.ｐｈｐ",
  "site/upload﹒php",
  "site/upload．php",
  "site/upload.phⓟ",
  "site/upload.ph\u200bp",
  "site/ȺȺȺȺshell.php.txt",
  "site/İİİİshell.php.txt",
];

let directory: TemporaryDirectory;
let php: PhpFpm;
/** Where a trap says that it ran. */
let ran: string;

const within = (name: string): string => join(directory.path, name);

beforeAll(async () => {
  directory = await createTemporaryDirectory("attacks");
  ran = within("ran");
  for (const folder of ["site/sub", "site/a", "site/.git"]) await mkdir(within(folder), { recursive: true });
  const trap = `<?php file_put_contents(${JSON.stringify(ran)}, __FILE__ . "\\n", FILE_APPEND); echo "ran";`;
  for (const name of SCRIPTS) await writeFile(within(name), SHOW);
  for (const name of TRAPS) await writeFile(within(name), trap);
  await symlink("../secret.php", within("site/outside.php"));
  await symlink("..", within("site/away"));
  await symlink("upload.jpg", within("site/disguised.php"));
  php = await startPhpFpm({
    pool: {
      "pm.max_children": "2",
      "security.limit_extensions": "",
      "php_admin_value[cgi.fix_pathinfo]": "1",
      "php_admin_value[user_ini.filename]": "",
    },
  });
});
afterAll(async () => {
  await php?.stop();
  await directory?.remove();
});
beforeEach(() => rmSync(ran, { force: true }));

type Mode = "folder" | "folder with front controller" | "front controller" | "no script";

function clientOf(mode: Mode): FastCgiHttpClient {
  const documentRoot = within("site");
  const target = (php.target as { path: string }).path;
  if (mode === "no script") return new FastCgiHttpClient(new FastCgiUnixConnector(target));
  if (mode === "front controller") {
    return new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(target, join(documentRoot, "index.php")));
  }
  const resolve = scriptOnDisk(documentRoot);
  const script = scriptsIn({ documentRoot, resolve, ...(mode !== "folder" && { frontController: "/index.php" }) });
  return new FastCgiHttpClient(FastCgiUnixConnector.phpFpm(target, script));
}

function traps(): string[] {
  return existsSync(ran) ? readFileSync(ran, "utf8").trimEnd().split("\n") : [];
}

/** Fetches, and says what ran: the script's own account, the status of another answer, or the error. */
async function attack(mode: Mode, path: string, init?: FastCgiFetchInit): Promise<Seen | number | string> {
  try {
    const response = await clientOf(mode).fetch(`http://site.test${path}`, init);
    const text = await response.text();
    return response.status === 200 ? (JSON.parse(text) as Seen) : response.status;
  } catch (error) {
    const { code, name } = error as { code?: string; name: string };
    return code ?? name;
  }
}

const escaped = (path: string): string => path.split("/").map(encodeURIComponent).join("/");

describe("the pool, without a client that knows better", () => {
  it.each([
    ["cgi.fix_pathinfo runs the upload above a missing script", "site/upload.jpg/x.php", {}],
    ["a file of any extension runs", "site/upload.ⓟⓗⓟ", {}],
    ["a link out of the folder is followed", "site/outside.php", {}],
    ["PHP_VALUE puts a file before every script", "site/index.php", { PHP_VALUE: "auto_prepend_file=upload.jpg" }],
  ])("php-fpm runs what it should not: %s", async (_, file, more: Record<string, string>) => {
    // A pool of its own: php-fpm keeps settings for later requests.
    const victim = await startPhpFpm({ pool: { "pm.max_children": "1", "security.limit_extensions": "" } });
    try {
      const connector = new FastCgiUnixConnector((victim.target as { path: string }).path);
      const client = new FastCgiHttpClient(connector, { script: { filename: within(file) } });
      const params = "PHP_VALUE" in more ? { PHP_VALUE: `auto_prepend_file=${within("site/upload.jpg")}` } : {};
      await (await client.fetch("http://site.test/", { params })).text();
      expect(traps()).toHaveLength(1);
    } finally {
      await victim.stop();
    }
  });
});

describe("paths", () => {
  /** The file that ran and the PATH_INFO it got, a status of ours, or the code of the error. */
  type Expected = [file: string, pathInfo?: string] | 404 | "malformedRequest";

  const attacks: [name: string, path: string, expected: Expected][] = [
    ["a script", "/index.php", ["/site/index.php"]],
    ["a script with more behind", "/index.php/a%20b/x.php", ["/site/index.php", "/a b/x.php"]],
    ["a folder", "/sub/", ["/site/sub/index.php"]],
    ["CVE-2019-11043: a line feed that ends a pattern early", "/index.php%0a", "malformedRequest"],
    ["CVE-2019-11043: as it was sent", "/index.php/PHP%0Ais_the_shittiest_lang.php", "malformedRequest"],
    ["a carriage return", "/index.php%0d", "malformedRequest"],
    ["NUL behind a script", "/index.php%00.jpg", "malformedRequest"],
    ["NUL behind an upload", "/upload.jpg%00.php", "malformedRequest"],
    ["another control byte", "/index.php%7f", 404],
    ["an upload as a folder", "/upload.jpg/x.php", 404],
    ["an upload as a folder of nothing", "/upload.jpg/.php", 404],
    ["an upload as a folder of a folder", "/upload.jpg/", 404],
    ["an upload by its own name", "/upload.jpg", 404],
    ["a space behind the extension", "/upload.php%20", 404],
    ["a dot behind the extension", "/upload.php.", 404],
    ["a longer extension", "/upload.php5", 404],
    ["a sister extension", "/upload.phtml", 404],
    ["upper case", "/UPLOAD.PHP", 404],
    ["mixed case", "/upload.pHp/x", 404],
    ["a script that is only an extension", "/.php", 404],
    ["a hidden folder", "/.git/hook.php", 404],
    ["a hidden file", "/.hidden.php", 404],
    ["an encoded slash", "/sub%2findex.php", 404],
    ["an encoded slash right behind the script", "/index.php%2Fx", 404],
    ["an encoded slash in what is behind the script", "/index.php/A%2FB", ["/site/index.php", "/A/B"]],
    ["a backslash in what is behind the script", "/index.php/A%5CB", ["/site/index.php", "/A\\B"]],
    ["dots upwards in what is behind the script", "/index.php/..%2f..%2fsecret.php", "malformedRequest"],
    ["a backslash in the script's name", "/sub%5cindex.php", 404],
    ["a slash encoded twice", "/a%252fb.php", 404],
    ["encoded dots upwards", "/%2e%2e/secret.php", 404],
    ["encoded dots and slash upwards", "/..%2fsecret.php", "malformedRequest"],
    ["dots encoded twice", "/%252e%252e/secret.php", 404],
    ["dots in overlong UTF-8", "/%c0%ae%c0%ae/secret.php", 404],
    ["a backslash upwards", "/..%5csecret.php", "malformedRequest"],
    ["a broken escape", "/index.php%", "malformedRequest"],
    ["a broken escape as in IIS", "/%u002e%u002e/secret.php", "malformedRequest"],
    ["an empty part before the script", "//index.php", 404],
    ["an empty part within", "/sub//index.php", 404],
    ["a link out of the folder", "/outside.php", 404],
    ["below a link out of the folder", "/away/secret.php", 404],
    ["a link with a script's name to an upload", "/disguised.php", 404],
    ["a status page of php-fpm", "/fpm-status", 404],
    ["CVE-2026-45062: circled letters", escaped("/upload.ⓟⓗⓟ"), 404],
    ["CVE-2026-45062: one circled letter", escaped("/upload.phⓟ"), 404],
    ["CVE-2026-45062: fullwidth letters", escaped("/upload.ｐｈｐ"), 404],
    ["CVE-2026-45062: a small full stop", escaped("/upload﹒php"), 404],
    ["CVE-2026-45062: a fullwidth full stop", escaped("/upload．php"), 404],
    ["a letter that can't be seen", escaped("/upload.ph\u200bp"), 404],
    ["CVE-2026-24895: letters that grow in lower case", escaped("/ȺȺȺȺshell.php.txt.php"), 404],
    ["CVE-2026-24895: letters that become two", escaped("/İİİİshell.php.txt.php"), 404],
    ["CVE-2026-24895: without a script behind", escaped("/ȺȺȺȺshell.php.txt"), 404],
  ];

  it.each(attacks)("a folder of scripts runs what it should when the path is %s", async (_, path, expected) => {
    const seen = await attack("folder", path);
    if (typeof expected === "object") {
      const [file, pathInfo] = expected;
      expect(seen).toMatchObject({ file });
      const { server } = seen as Seen;
      expect([server.PATH_INFO, server.SCRIPT_NAME]).toEqual([pathInfo, file.slice("/site".length)]);
      expect(server.DOCUMENT_ROOT).toBe(within("site"));
      expect(server.PATH_TRANSLATED === undefined || pathInfo !== undefined).toBe(true);
    } else {
      expect(seen).toBe(expected);
    }
    expect(traps()).toEqual([]);
  });

  it.each(attacks.filter(([, , expected]) => expected === 404))(
    "a folder's front controller answers, and gets nothing of the path but REQUEST_URI, when the path is %s",
    async (_, path) => {
      const seen = (await attack("folder with front controller", path)) as Seen;
      expect(seen.file).toBe("/site/index.php");
      expect(seen.server.SCRIPT_NAME).toBe("/index.php");
      expect(seen.server.PATH_INFO).toBeUndefined();
      expect(seen.server.REQUEST_URI).toBe(new URL(`http://site.test${path}`).pathname);
      expect(traps()).toEqual([]);
    },
  );

  it.each(attacks)("a fixed script answers, or nothing, when the path is %s", async (_, path) => {
    const seen = await attack("front controller", path);
    if (typeof seen === "object") {
      expect(seen.file).toBe("/site/index.php");
      expect(seen.server).toMatchObject({ SCRIPT_NAME: "/index.php", SCRIPT_FILENAME: within("site/index.php") });
      expect(seen.server.PATH_INFO).toBeUndefined();
    } else {
      expect(seen).toBe("malformedRequest");
    }
    expect(traps()).toEqual([]);
  });

  it.each(attacks)("php-fpm runs nothing when it is given no script and the path is %s", async (_, path) => {
    const seen = await attack("no script", path);
    expect(typeof seen, JSON.stringify(seen)).not.toBe("object");
    expect(traps()).toEqual([]);
  });
});

describe("headers and variables", () => {
  type Request = FastCgiFetchInit & { path?: string };
  /** Variables that PHP has, and such that it has not (undefined); or the error. */
  type Expected = Record<string, string | undefined> | "TypeError" | "lengthMismatch";

  const basic = `Basic ${btoa("root:password")}`;
  const prepend = "auto_prepend_file=php://input";
  const attacks: [name: string, request: Request, expected: Expected][] = [
    ["httpoxy, CVE-2016-5385", { headers: { Proxy: "http://evil.test/" } }, { HTTP_PROXY: undefined }],
    ["httpoxy in capitals", { headers: { PROXY: "http://evil.test/" } }, { HTTP_PROXY: undefined }],
    [
      "an alias with _",
      { headers: { "Remote-User": "me", Remote_User: "root" } },
      { HTTP_REMOTE_USER: "me", REMOTE_USER: undefined },
    ],
    [
      "an alias with .",
      { headers: { "Remote-User": "me", "Remote.User": "root" } },
      { HTTP_REMOTE_USER: "me", REMOTE_USER: undefined },
    ],
    ["an alias alone", { headers: { Remote_User: "root", "Remote.User": "root" } }, { HTTP_REMOTE_USER: undefined }],
    ["other marks in a name", { headers: { "X!A": "1", "X~A": "1", "X*A": "1" } }, { HTTP_X_A: undefined }],
    [
      "CVE-2024-8927: Redirect-Status",
      { headers: { "Redirect-Status": "404" } },
      { HTTP_REDIRECT_STATUS: undefined, REDIRECT_STATUS: "200" },
    ],
    [
      "Basic credentials that nobody checked",
      { headers: { Authorization: basic } },
      { REMOTE_USER: undefined, AUTH_TYPE: undefined },
    ],
    [
      "names of variables as names of headers",
      {
        headers: {
          Https: "on",
          "Script-Filename": "/etc/passwd",
          "Document-Root": "/",
          "Remote-Addr": "127.0.0.1",
          "Path-Info": "/x",
        },
        remoteAddress: "192.0.2.7",
      },
      { HTTPS: undefined, HTTP_HTTPS: "on", PATH_INFO: undefined, REMOTE_ADDR: "192.0.2.7", SCRIPT_NAME: "/index.php" },
    ],
    [
      "PHP_VALUE as a header",
      { headers: { PHP_VALUE: prepend, "Php-Admin-Value": prepend } },
      { PHP_VALUE: undefined, PHP_ADMIN_VALUE: undefined },
    ],
    [
      "PHP_VALUE in the query",
      { path: `/?PHP_VALUE=${prepend}` },
      { PHP_VALUE: undefined, QUERY_STRING: `PHP_VALUE=${prepend}` },
    ],
    ["PHP_VALUE behind a line feed of the query", { path: `/?x%0aPHP_VALUE=${prepend}` }, { PHP_VALUE: undefined }],
    ["PHP_VALUE as a cookie", { headers: { Cookie: `PHP_VALUE=${prepend}` } }, { PHP_VALUE: undefined }],
    [
      "PHP_VALUE in a form",
      { method: "POST", body: new URLSearchParams({ PHP_VALUE: prepend }) },
      { PHP_VALUE: undefined },
    ],
    ["PHP_VALUE as the fragment", { path: `/#PHP_VALUE=${prepend}` }, { PHP_VALUE: undefined, REQUEST_URI: "/" }],
    [
      "a body from a file",
      { method: "POST", body: "x", headers: { Request_Body_File: "/etc/passwd", "Request-Body-File": "/etc/passwd" } },
      { REQUEST_BODY_FILE: undefined },
    ],
    ["another role", { headers: { FCGI_ROLE: "FILTER", "Fcgi-Role": "FILTER" } }, { FCGI_ROLE: "RESPONDER" }],
    [
      "names of JavaScript's objects",
      { headers: { constructor: "1", __proto__x: "2", "has-own-property": "3" } },
      { HTTP_CONSTRUCTOR: "1", HTTP_HAS_OWN_PROPERTY: "3" },
    ],
    [
      "names of JavaScript's objects as params",
      {
        params: [
          ["__proto__", "1"],
          ["constructor", "2"],
        ],
      },
      { __proto__x: undefined, constructor: "2" },
    ],
    [
      "a coding of the connection",
      { method: "POST", body: "5\r\nhello\r\n0\r\n\r\n", headers: { TE: "chunked" } },
      { HTTP_TE: undefined, HTTP_TRANSFER_ENCODING: undefined, CONTENT_LENGTH: "15" },
    ],
    [
      "a length that an alias says",
      { method: "POST", body: "hello", headers: { Content_Length: "1", "Content.Length": "1" } },
      { CONTENT_LENGTH: "5", HTTP_CONTENT_LENGTH: undefined },
    ],
    [
      "a type that an alias says",
      { method: "POST", body: "hello", headers: { Content_Type: "multipart/form-data; boundary=x" } },
      { CONTENT_TYPE: "text/plain;charset=UTF-8", HTTP_CONTENT_TYPE: undefined },
    ],
    [
      "a length that is too small",
      { method: "POST", body: "hello", headers: { "content-length": "1" } },
      "lengthMismatch",
    ],
    [
      "a length that is too large",
      { method: "POST", body: "hello", headers: { "content-length": "9" } },
      "lengthMismatch",
    ],
    [
      "a length as a variable",
      { method: "POST", body: "hello", params: { CONTENT_LENGTH: "99" } },
      { CONTENT_LENGTH: "5" },
    ],
    ["a line feed in a header", { headers: { "x-a": "1\nProxy: x" } }, "TypeError"],
    ["a carriage return in a header", { headers: { "x-a": "1\rProxy: x" } }, "TypeError"],
    ["NUL in a header", { headers: { "x-a": "1\0Proxy: x" } }, "TypeError"],
    ["a line feed in a header's name", { headers: { "x-a\nproxy": "1" } }, "TypeError"],
    ["a line feed in the method", { method: "GET\nPROXY" }, "TypeError"],
    [
      "a line feed in the URL, which a URL does not have",
      { path: "/x\nPHP_VALUE=1" },
      { REQUEST_URI: "/xPHP_VALUE=1", PHP_VALUE: undefined },
    ],
    [
      "a host with a path",
      { headers: { host: "site.test/../.." } },
      { SERVER_NAME: "site.test", SCRIPT_NAME: "/index.php" },
    ],
  ];

  it.each(attacks)(
    "php-fpm sees nothing but the truth when there is %s",
    async (_, { path = "/", ...init }, expected) => {
      const seen = await attack("front controller", path, init);
      if (typeof expected === "string") {
        expect(seen).toBe(expected);
        return;
      }
      const { server, ini, proxy } = seen as Seen;
      for (const [name, value] of Object.entries(expected)) expect([name, server[name]]).toEqual([name, value]);
      expect(server.SCRIPT_FILENAME).toBe(within("site/index.php"));
      expect(ini).toEqual({ auto_prepend_file: "", memory_limit: "512M" });
      expect(proxy).toBe(false);
      expect(traps()).toEqual([]);
    },
  );
});

describe("sizes", () => {
  /** A whole request for a trap, as a body that is taken for records would be one. */
  function smuggled(): Uint8Array<ArrayBuffer> {
    const params = {
      REQUEST_METHOD: "GET",
      SCRIPT_FILENAME: within("secret.php"),
      PHP_VALUE: `auto_prepend_file=${within("secret.php")}`,
    };
    return encodeRecords(
      [1, 2].flatMap((requestId) => [
        {
          type: RecordType.BeginRequest,
          requestId,
          contentData: encodeBeginRequestBody({ role: Role.Responder, keepConn: true }),
        },
        { type: RecordType.Params, requestId, contentData: encodeNameValuePairs(Object.entries(params)) },
        { type: RecordType.Params, requestId, contentData: new Uint8Array(0) },
        { type: RecordType.Stdin, requestId, contentData: new Uint8Array(0) },
      ]),
    ) as Uint8Array<ArrayBuffer>;
  }

  /** That, again and again, up to a length, beginning `skip` bytes within it. */
  function bodyOf(length: number, skip = 0): Uint8Array<ArrayBuffer> {
    const piece = smuggled();
    return Uint8Array.from({ length }, (_, index) => piece[(index + skip) % piece.length]!);
  }

  const lengths = [0, 1, 7, 8, 65_527, 65_528, 65_535, 65_536, 65_537, 131_070, 131_071, 131_072, 200_000];

  it.each(lengths)("php-fpm reads a body of records as a body when it has %i bytes", async (length) => {
    for (const kind of ["bytes", "stream with a length", "stream without a length"]) {
      const body = bodyOf(length);
      const init = {
        method: "POST",
        body: kind === "bytes" ? body : streamOf(body),
        duplex: "half",
        headers: kind === "stream with a length" ? { "content-length": String(length) } : {},
      } as FastCgiFetchInit;
      const seen = (await attack("front controller", "/", init)) as Seen;
      expect(seen.body, kind).toEqual({ bytes: length, sha256: sha256(body) });
      expect(seen.server.CONTENT_LENGTH, kind).toBe(String(length));
      expect(seen.ini.auto_prepend_file, kind).toBe("");
    }
    expect(traps()).toEqual([]);
  });

  it("php-fpm finds no request in a body, wherever it might begin to look for one", async () => {
    for (let skip = 0; skip < 16; skip++) {
      const body = bodyOf(65_536 + 64, skip);
      const seen = (await attack("front controller", "/", { method: "POST", body })) as Seen;
      expect(seen.body).toEqual({ bytes: body.length, sha256: sha256(body) });
    }
    expect(traps()).toEqual([]);
  });

  it.each([65_535, 65_536, 131_070, 300_000])(
    "php-fpm gets every variable when there are %i bytes of them",
    async (length) => {
      const params = new Map<string, string>();
      // Values that look like records, but for NUL, where a value ends to PHP.
      const text = String.fromCharCode(...smuggled())
        .replaceAll("\0", "\x01")
        .repeat(9)
        .slice(0, 1000);
      for (let left = length; left > 0; left -= 1000) params.set(`X_${left}`, text.slice(0, left));
      const { server, lengths } = (await attack("front controller", "/", { params })) as Seen;
      for (const [name, value] of params) expect([name, lengths[name]]).toEqual([name, value.length]);
      expect(server.PHP_VALUE).toBeUndefined();
      expect(server.SCRIPT_FILENAME).toBe(within("site/index.php"));
      expect(traps()).toEqual([]);
    },
  );

  it.each([60_000, 65_400])("php-fpm gets a header whole when it has %i bytes", async (length) => {
    const value = "x".repeat(length);
    const seen = (await attack("front controller", "/", { headers: { "x-long": value } })) as Seen;
    expect(seen.server.HTTP_X_LONG === value).toBe(true);
  });

  it.each([65_536, 100_000, 200_000])(
    "php-fpm runs nothing else when a header of %i bytes is more than it can read",
    async (length) => {
      const text = encodeURIComponent(`SCRIPT_FILENAME${within("secret.php")}`);
      const value = text.repeat(Math.ceil(length / text.length)).slice(0, length);
      expect(await attack("front controller", "/", { headers: { "x-long": value } })).toBe("connectionClosed");
      expect(traps()).toEqual([]);
    },
  );
});
