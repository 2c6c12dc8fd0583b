// Finds the PHP that is installed, and says how to install it where there is none.

import { accessSync, constants, readdirSync, readFileSync, statSync } from "node:fs";
import { basename, delimiter, join } from "node:path";

/** A program that runs PHP as a FastCGI application. */
export interface PhpProgram {
  readonly path: string;
  readonly kind: "fpm" | "cgi";
}

/** php-fpm; php-fpm8.2 of Debian; php-fpm83 of Alpine. */
const FPM = /^php-?fpm-?(\d+(\.\d+)*)?$/;
const CGI = /^php-?cgi-?(\d+(\.\d+)*)?$/;

/** Where programs for administrators are, which the PATH of other users often lacks. */
const MORE_FOLDERS = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin"];

/** Finds php-fpm, or else php-cgi. The one without a version in its name comes first, then the newest. Null if there is none. */
export function findPhp(path: string = process.env.PATH ?? ""): PhpProgram | null {
  const folders = [...path.split(delimiter).filter((folder) => folder !== ""), ...MORE_FOLDERS];
  for (const [kind, pattern] of [
    ["fpm", FPM],
    ["cgi", CGI],
  ] as const) {
    const found = folders.flatMap((folder) => namesIn(folder, pattern).map((name) => join(folder, name)));
    const program = found.find(isProgram);
    if (program !== undefined) return { path: program, kind };
  }
  return null;
}

/** The kind of a program that the user named. Its name says it; a link such as `php` may lead to one. */
export function kindOf(path: string): PhpProgram["kind"] | null {
  const name = basename(path);
  return /fpm/.test(name) ? "fpm" : /cgi/.test(name) ? "cgi" : null;
}

function namesIn(folder: string, pattern: RegExp): string[] {
  try {
    const names = readdirSync(folder).filter((name) => pattern.test(name));
    return names.sort((a, b) => version(b).localeCompare(version(a), "en", { numeric: true }));
  } catch {
    return [];
  }
}

/** For sorting: 8.10 comes after 8.9, and no version after all others. */
function version(name: string): string {
  return /\d.*$/.exec(name)?.[0] ?? "9999";
}

export function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** The lines that install php-fpm, by the ID of a Linux in /etc/os-release. */
const INSTALL: readonly (readonly [ids: readonly string[], line: string])[] = [
  [["debian", "ubuntu"], "apt-get install php-fpm"],
  [["fedora", "rhel", "centos"], "dnf install php-fpm"],
  [["alpine"], "apk add php84-fpm"],
  [["arch"], "pacman -S php-fpm"],
  [["suse", "opensuse"], "zypper install php8-fpm"],
];

/** What to do where there is no PHP. */
export function installAdvice(
  platform: NodeJS.Platform = process.platform,
  osRelease: string = readOsRelease(),
): string {
  if (platform === "darwin") return "install it with `brew install php`";
  if (platform === "win32") return "start `php-cgi -b 127.0.0.1:9000` yourself, and give --fastcgi 127.0.0.1:9000";
  const ids = [...osRelease.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, value]) => value!.split(" "));
  const line = INSTALL.find(([names]) => names.some((name) => ids.includes(name)))?.[1];
  return line === undefined ? "install the package php-fpm of your system" : `install it with \`${line}\``;
}

function readOsRelease(): string {
  try {
    return readFileSync("/etc/os-release", "utf8");
  } catch {
    return "";
  }
}
