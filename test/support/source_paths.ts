// Sources in a folder of PHP, and the paths by which people have got at such.

import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";

/** Stands in every source, and in no answer. */
export const SOURCE_MARK = "a-password-in-a-source";

/** A script whose output does not show the mark in its source. */
const SCRIPT = `<?php /* ${SOURCE_MARK} */ echo "ran";\n`;

/** Sources that are scripts. */
const SCRIPTS = [
  "config.php",
  "config.inc.php",
  "sub/config.php",
  "uploads/shell.php",
  ".hidden.php",
  ".git/hook.php",
  ".well-known/config.php",
];

/** Sources that are none, or none any more. */
const SOURCES = [
  ".DS_Store",
  ".env",
  ".env.local",
  ".git/HEAD",
  ".git/config",
  ".git/index",
  ".gitignore",
  ".htaccess",
  ".htpasswd",
  ".svn/entries",
  ".user.ini",
  ".well-known/.env",
  "#config.php#",
  "CONFIG.PHP",
  "Config.Php",
  "CVS/Entries",
  "auth.json",
  "backup.sql",
  "backup.sql.gz",
  "composer.json",
  "composer.lock",
  "config.bak",
  "config.inc",
  "config.inc.txt",
  "config.ini",
  "config.old",
  "config.orig",
  "config.phar",
  "config.php ",
  "config.php.",
  "config.php.1",
  "config.php.bak",
  "config.php.dist",
  "config.php.gz",
  "config.php.old",
  "config.php.orig",
  "config.php.save",
  "config.php.swo",
  "config.php.swp",
  "config.php.txt",
  "config.php.zip",
  "config.php3",
  "config.php4",
  "config.php5",
  "config.php7",
  "config.php8",
  "config.php_old",
  "config.php-2026",
  "config.php~",
  "config.phps",
  "config.pht",
  "config.phtml",
  "config.save",
  "config.tpl",
  "config.twig",
  "config.yml",
  "dump.sqlite3",
  "error_log",
  "logs/debug.log",
  "logs/debug.log.1",
  "php.ini",
  "sub/.env",
  "sub/.htaccess",
  "template.module",
  "web.config",
  "wp-config.txt",
];

/** Puts them into a folder, and some links to them. */
export function plantSources(root: string): void {
  for (const name of SOURCES) plant(root, name, `${SOURCE_MARK}\n`);
  // Last: where the file system ignores case, some names are one.
  for (const name of SCRIPTS) plant(root, name, SCRIPT);
  symlinkSync("config.php", join(root, "picture.jpg"));
  symlinkSync("../.git", join(root, "sub/assets"));
  symlinkSync("../.env", join(root, "uploads/notes.txt"));
}

function plant(root: string, name: string, content: string): void {
  mkdirSync(join(root, dirname(name)), { recursive: true });
  writeFileSync(join(root, name), content);
  chmodSync(join(root, name), 0o644);
}

/** Every letter of `text` percent-encoded, `times` times over. */
function encoded(text: string, times: number): string {
  let result = text;
  for (let time = 0; time < times; time++) {
    result = time === 0 ? [...result].map(escapeLetter).join("") : result.replaceAll("%", "%25");
  }
  return result;
}

function escapeLetter(letter: string): string {
  return `%${letter.charCodeAt(0).toString(16).padStart(2, "0")}`;
}

/** Spellings of `/folder/name.php`, in a request line as a client may send it: nothing in it is normalised. */
function spellingsOf(path: string): string[] {
  const [, folder = "/", name = ""] = /^(.*\/)([^/]+)\.php$/.exec(path)!;
  const to = (file: string): string => `${folder}${file}`;
  return [
    path,
    ...[
      "/",
      "/x",
      "/x.css",
      "/x/style.css",
      "/.css",
      "//",
      "/.",
      "/..%2f",
      "/%2e%2e/%2e",
      "%2f",
      "%2fx.css",
      "%5c",
      "%5cx.css",
    ].map((more) => path + more),
    ...[
      "%20",
      "%20%20",
      "+",
      ".",
      "..",
      "...",
      "%2e",
      "%2E%20",
      "%09",
      "%0a",
      "%0d%0a",
      "%00",
      "%00.css",
      "%00.jpg",
      "%01",
      "%7f",
      "%85",
      "%a0",
      "%ff",
    ].map((more) => path + more),
    ...[
      "::$DATA",
      ":$DATA",
      "::%24data",
      ":x",
      ";",
      ";.css",
      ";x=y",
      ";/x.css",
      "%3b.css",
      "%3f.css",
      "%3fx",
      "%23.css",
      "#.css",
      "*",
      "%3c%3c",
      "%3e",
      "%22",
      "~",
      "~1",
      "%7e",
      "%",
      "%2",
      "%zz",
    ].map((more) => path + more),
    ...[
      "%c0%80",
      "%c0%ae",
      "%e3%80%80",
      "%c2%a0",
      "%e2%80%8b",
      "%e2%80%8b.css",
      "%ef%bb%bf",
      "%c2%ad",
      "%e2%80%ae",
    ].map((more) => path + more),
    ...[
      "%2ephp",
      "%2Ephp",
      "%252ephp",
      "%25252ephp",
      ".%70hp",
      ".%2570hp",
      ".ph%70",
      ".PHP",
      ".Php",
      ".pHP",
      ".php5",
      ".phtml",
      ".phps",
    ].map((end) => to(name + end)),
    ...[
      "%c0%aephp",
      "%e0%80%aephp",
      "%f0%80%80%aephp",
      "%u002ephp",
      "%uff0ephp",
      "%%32%65php",
      "%%32ephp",
      "%ef%bc%8ephp",
      "%e2%80%a4php",
      "%ef%b9%92php",
      "%e3%80%82php",
      ".%ef%bd%90%ef%bd%88%ef%bd%90",
      ".%e2%93%9f%e2%93%97%e2%93%9f",
      ".ph%e2%80%8bp",
      ".ph%c2%adp",
    ].map((end) => to(name + end)),
    to(`${encoded(name, 1)}.php`),
    ...[1, 2, 3, 6].map((times) => to(encoded(`${name}.php`, times))),
    to(`${name.toUpperCase()}.PHP`),
    to(`${name.slice(0, 6).toUpperCase()}~1.PHP`),
    `/${path}`,
    `//${path}`,
    `/.${path}`,
    `/x/..${path}`,
    `/x/%2e%2e${path}`,
    `/x/..;${path}`,
    `/..;${path}`,
    `/;x=y${path}`,
    `/x%2f..${path}`,
    `/x/..%2f${path.slice(1)}`,
    `/x/%252e%252e${path}`,
    `/x%5c..${path}`,
    `/%5c${path.slice(1)}`,
    `/\\${path.slice(1)}`,
    `/.%5c${path.slice(1)}`,
    `/%2f${path.slice(1)}`,
    `/%2e${path}`,
    `/uploads/%2e%2e${path}`,
    `/uploads/..%5c${path.slice(1)}`,
    `/style.css/..${path}`,
    `/style.css%2f..${path}`,
    `/style.css%23/..${path}`,
    `/style.css#/..${path}`,
    `/style.css%3f/..${path}`,
    `/style.css;/..${path}`,
  ];
}

/** Paths as a client may send them that lead, by some reading, to a source. */
export const SOURCE_PATHS: readonly string[] = [
  ...new Set([
    ...spellingsOf("/config.php"),
    ...["/sub/config.php", "/uploads/shell.php", "/.hidden.php"].flatMap((path) => [
      path,
      `${path}%20`,
      `${path}/x.css`,
      path.replace(".php", "%2ephp"),
      path.replace(".php", ".%50HP"),
    ]),
    ...[...SCRIPTS, ...SOURCES].map((name) => `/${name.split("/").map(encodeURIComponent).join("/")}`),
    ...[".env", ".git/config", ".htaccess", ".user.ini", ".git"].flatMap((name) => [
      `/%2e${name.slice(1)}`,
      `/%252e${name.slice(1)}`,
      `//${name}`,
      `/./${name}`,
      `/x/../${name}`,
      `/x/..%2f${name}`,
      `/%2f${name}`,
      `/${name.toUpperCase()}`,
      `/${name}%20`,
      `/${name}.`,
      `/${name}/`,
      `/${name}%00.css`,
      `/${name}::$DATA`,
      `/${name};.css`,
      `/%c0%ae${name.slice(1)}`,
      `/%ef%bc%8e${name.slice(1)}`,
      `/%e2%80%8b${name}`,
      `/.well-known/..%2f${name}`,
      `/.well-known/%2e%2e/${name}`,
      `/.well-known/../${name}`,
    ]),
    "/picture.jpg",
    "/sub/assets/config",
    "/sub/assets/HEAD",
    "/uploads/notes.txt",
    "/GIT~1/config",
    "/HTACCE~1",
    "/.well-known/config.php",
    "/.well-known/.env",
    "/config%2ebak",
    "/config.BAK",
    "/config.inc%20",
    "/config.Inc.",
    "/backup.SQL",
    "/backup%2esql.gz",
    "/logs%2fdebug.log",
    "/logs/debug.log%2e1",
  ]),
];
