// npm run compare: sends the same requests to nginx and to `fetchcgi gateway`, in front of the same php-fpm and folder, and prints where the
// answers differ. A difference that no rule below explains is a failure.

import { mkdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { startGateway } from "../support/gateway.ts";
import { exchangeHttp, type HttpMessage } from "../support/http_message.ts";
import { startNginx } from "../support/nginx.ts";
import { startPhpFpm } from "../support/php_fpm.ts";
import { createTemporaryDirectory } from "../support/temporary_directory.ts";
import { differenceOf, EXPLANATIONS, type Exchange } from "./differences.ts";
import { requests } from "./requests.ts";

/** Shows all that a script learns of its request. */
const SHOW = `<?php
header('Content-Type: text/plain');
$names = ['SCRIPT_NAME', 'SCRIPT_FILENAME', 'DOCUMENT_ROOT', 'PATH_INFO', 'QUERY_STRING', 'REQUEST_URI', 'REQUEST_METHOD', 'CONTENT_TYPE',
  'CONTENT_LENGTH', 'HTTP_HOST', 'HTTP_COOKIE', 'HTTP_X_A', 'HTTP_AUTHORIZATION', 'HTTPS', 'REMOTE_ADDR', 'SERVER_PROTOCOL', 'PHP_SELF'];
foreach ($names as $name) echo $name, '=', json_encode($_SERVER[$name] ?? '', JSON_UNESCAPED_SLASHES), "\\n";
echo json_encode([$_GET, $_POST, $_COOKIE, strlen(file_get_contents('php://input'))]);`;

const FILES: Readonly<Record<string, string>> = {
  "index.php": SHOW,
  "rest.php": SHOW,
  "sub/index.php": SHOW,
  "status.php": "<?php http_response_code((int) $_GET['code']); header('X-Own: 1'); echo 'status';",
  "redirect.php": "<?php header('Location: /sub/?x=1');",
  "cookies.php": "<?php setcookie('a', '1'); setcookie('b', '2'); echo 'cookies';",
  "docs/index.html": "<h1>Docs</h1>",
  "empty/style.css": "",
  "style.css": "body {}\n",
  "script.js": "let a = 1;\n",
  "page.html": "<p>Page</p>",
  "logo@2x.png": "\u0089PNG picture",
  "ü b+c.txt": "0123456789",
  "data.json": "{}",
  "font.woff2": "font",
  "movie.mp4": "0123456789".repeat(100),
  ".env": "SECRET=1",
  ".git/config": "[core]",
  ".well-known/acme-challenge/token": "answer",
  "config.inc": "secret",
  "composer.json": "{}",
  "backup.sql": "secret",
  "config.php~": "<?php secret",
  "template.twig": "secret",
  "upload.jpg": "<?php echo 'ran';",
};

const directory = await createTemporaryDirectory("compare");
const root = join(directory.path, "public");
for (const [name, text] of Object.entries(FILES)) {
  await mkdir(dirname(join(root, name)), { recursive: true });
  await writeFile(join(root, name), text);
}
const fpm = await startPhpFpm({ documentRoot: root });
const { path } = fpm.target;
const nginx = await startNginx({
  http: "include /etc/nginx/mime.types;",
  server: `root ${root};
    index index.php index.html;
    location / { try_files $uri $uri/ /index.php?$args; }
    location ~ /\\.(?!well-known) { deny all; }
    location ~ \\.php(/|$) {
      fastcgi_split_path_info ^(.+?\\.php)(/.*)$;
      try_files $fastcgi_script_name =404;
      set $path_info $fastcgi_path_info;
      include fastcgi_params;
      fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
      fastcgi_param PATH_INFO $path_info;
      fastcgi_param REDIRECT_STATUS 200;
      fastcgi_pass unix:${path};
    }`,
});
const gateway = await startGateway([root, "--fastcgi", path, "--quiet"]);
const counts = new Map<string, number>();
let same = 0;
const unexplained: string[] = [];
try {
  for (const request of requests) {
    const ask = (port: number): Promise<HttpMessage> =>
      exchangeHttp(port, request.line, `Host: site.test\r\n${request.lines}`, request.body);
    const exchange: Exchange = { request, nginx: await ask(nginx.port), gateway: await ask(gateway.port) };
    const difference = differenceOf(exchange);
    if (difference === null) {
      same++;
      continue;
    }
    const explanation = EXPLANATIONS.find(({ holds }) => holds(exchange));
    if (explanation === undefined) unexplained.push(`${request.line} ${request.lines.trim()}\n    ${difference}`);
    else counts.set(explanation.text, (counts.get(explanation.text) ?? 0) + 1);
  }
} finally {
  await gateway.stop();
  await nginx.stop();
  await fpm.stop();
  await directory.remove();
}
console.log(`${requests.length} requests: ${same} answers are the same`);
for (const [text, count] of counts) console.log(`${String(count).padStart(4)}  ${text}`);
for (const text of unexplained) console.log(`  ?   ${text}`);
process.exitCode = unexplained.length === 0 ? 0 : 1;
