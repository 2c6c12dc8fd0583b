// Installs what a fresh clone lacks: the npm packages, and the real servers and applications that the tests use.
import { execFileSync } from "node:child_process";
import { accessSync, constants, existsSync, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { projectFolder, run, runNpm } from "./run.mjs";

/** The real programs and libraries: how each is found, and the Debian packages that bring it. */
const programs = {
  nginx: { find: binary("nginx"), packages: ["nginx"] },
  "php-fpm": { find: binary("php-fpm", /^php-fpm-?\d+(\.\d+)*$/), packages: ["php-fpm"] },
  "php-cgi": { find: binary("php-cgi", /^php-cgi-?\d+(\.\d+)*$/), packages: ["php-cgi"] },
  apache2: { find: binary("apache2"), packages: ["apache2-bin"] },
  "apache2-configuration": { find: file("/etc/apache2/apache2.conf"), packages: ["apache2"] },
  mod_fcgid: { find: file("/usr/lib/apache2/modules/mod_fcgid.so"), packages: ["libapache2-mod-fcgid"] },
  lighttpd: { find: binary("lighttpd"), packages: ["lighttpd"] },
  caddy: { find: binary("caddy"), packages: ["caddy"] },
  haproxy: { find: binary("haproxy"), packages: ["haproxy"] },
  h2o: { find: binary("h2o"), packages: ["h2o"] },
  fcgiwrap: { find: binary("fcgiwrap"), packages: ["fcgiwrap"] },
  "spawn-fcgi": { find: binary("spawn-fcgi"), packages: ["spawn-fcgi"] },
  multiwatch: { find: binary("multiwatch"), packages: ["multiwatch"] },
  "systemd-socket-activate": { find: binary("systemd-socket-activate"), packages: ["systemd"] },
  ip: { find: binary("ip"), packages: ["iproute2"] },
  go: { find: binary("go"), packages: ["golang-go"] },
  cc: { find: binary("cc", "gcc", "clang"), packages: ["gcc", "libc6-dev"] },
  libfcgi: { find: header("fcgiapp.h"), packages: ["libfcgi-dev", "gcc", "libc6-dev"] },
  perl: { find: binary("perl"), packages: ["perl"] },
  "perl-fcgi": { find: perlModule("FCGI"), packages: ["libfcgi-perl"] },
  // It depends on Apache's PHP, or any: with "php" named, php-fpm will do.
  wordpress: { find: file("/usr/share/wordpress/wp-settings.php"), packages: ["wordpress", "php", "php-fpm"] },
  "wordpress-theme": {
    find: file("/usr/share/wordpress/wp-content/themes/twentytwentythree/style.css"),
    packages: ["wordpress-theme-twentytwentythree"],
  },
  mariadbd: { find: binary("mariadbd"), packages: ["mariadb-server"] },
  "php-mysql": { find: phpExtension("mysqli"), packages: ["php-mysql"] },
  "php-gd": { find: phpExtension("gd"), packages: ["php-gd"] },
  curl: { find: binary("curl"), packages: ["curl"] },
  chromium: { find: binary("chromium", "chromium-browser", "google-chrome"), packages: ["chromium"] },
};

/**
 * The other runtimes, at the versions of runtimes/package-lock.json: a package, or the scope of one for each platform, and the
 * binary in it. The versions of Node are for Linux on x64 only.
 */
const runtimes = {
  bun: { folder: "@oven", file: "bin/bun" },
  deno: { folder: "@deno", file: "deno" },
  workerd: { folder: "@cloudflare", file: "bin/workerd" },
  node22: { folder: "node22", file: "bin/node" },
  node24: { folder: "node24", file: "bin/node" },
  node26: { folder: "node26", file: "bin/node" },
};
const runtimesFolder = "scripts/runtimes";

/** Servers live in sbin folders, which the PATH of an ordinary user often lacks. */
const sbinFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/sbin", "/opt/homebrew/bin"];

/** Installs the npm packages unless node_modules holds what package-lock.json asks for. */
export async function ensurePackages() {
  await install(".", "the npm packages");
}

/** Installs the other runtimes unless they are there. */
export async function ensureRuntimes() {
  // No package needs its scripts: the binaries are in packages of their own, one for each platform.
  await install(runtimesFolder, Object.keys(runtimes).join(", "), ["--prefix", runtimesFolder, "--ignore-scripts"]);
}

/** Installs the libraries that the bench compares with unless they are there. */
export async function ensureBenchPackages() {
  await install("bench", "the libraries to compare with", ["--prefix", "bench", "--ignore-scripts"]);
}

/** Installs what builds the documents' site unless it is there. */
export async function ensureDocsPackages() {
  // esbuild's binary is in a package of its own; its script only checks that.
  await install("docs", "what builds the site", ["--prefix", "docs", "--ignore-scripts"]);
}

async function install(folder, what, flags = []) {
  const lock = readPackages(join(folder, "package-lock.json"));
  if (lock !== undefined && isInstalled(lock, readPackages(join(folder, "node_modules/.package-lock.json")))) return;

  console.log(`Installing ${what} (npm) ...`);
  // `npm ci` would first remove everything and download it again for one new package. `--no-save` keeps to the locked
  // versions as well and never rewrites the file. `--include=dev` because with NODE_ENV=production npm would leave out
  // the tools that run next.
  const args = ["install", ...flags, "--no-save", "--include=dev", "--no-audit", "--no-fund"];
  const code = await runNpm(args, { quiet: true });
  if (code !== 0) throw new Error(`Cannot install ${what}: npm install ended with code ${code}`);
}

/**
 * Installs the named programs, or all, if this user may (root on a Debian-like system); otherwise throws with the line
 * to run.
 */
export async function ensureServers(names = Object.keys(programs)) {
  const missing = names.filter((name) => findProgram(name) === undefined);
  if (missing.length === 0) return;
  if (process.getuid?.() !== 0 || findBinary("apt-get") === undefined) throw new Error(missingMessage(missing));

  console.log(`Installing ${missing.join(", ")} (apt-get) ...`);
  const env = {
    ...process.env,
    DEBIAN_FRONTEND: "noninteractive",
    // The tests start their own servers. Package scripts must not start the system's: not through invoke-rc.d, which
    // starts nothing in runlevel 1, and not through systemctl, which starts nothing offline.
    RUNLEVEL: "1",
    SYSTEMD_OFFLINE: "1",
  };
  const aptGet = (...args) => run("apt-get", ["-o", "DPkg::Lock::Timeout=300", ...args], { env, quiet: true });
  // An update that reached only some of the mirrors does not stop the installation, which reports what is missing.
  await aptGet("update");
  const code = await aptGet("install", "-y", "--no-install-recommends", ...packagesOf(missing));
  const stillMissing = missing.filter((name) => findProgram(name) === undefined);
  if (code !== 0 || stillMissing.length > 0) {
    throw new Error(`apt-get install ended with code ${code}. ${missingMessage(missing)}`);
  }
}

/** The path of a program, of a library's header or of a module, or undefined when it is not installed. */
export function findProgram(name) {
  return programs[name].find();
}

/** The path of a program; throws with the line that installs it. A test that needs a server must not pass without. */
export function requireProgram(name) {
  const path = findProgram(name);
  if (path === undefined) throw new Error(`Cannot use ${name}: not installed. Install it with: ${installLine([name])}`);
  return path;
}

/** The path of a runtime, or undefined when it is not installed. */
export function findRuntime(name) {
  const { folder, file } = runtimes[name];
  const top = join(projectFolder, runtimesFolder, "node_modules", folder);
  const packages = existsSync(top) ? [top, ...readdirSync(top).map((entry) => join(top, entry))] : [];
  return packages.flatMap((path) => [join(path, file), join(path, `${file}.exe`)]).find((path) => existsSync(path));
}

/** The path of a runtime; throws with the line that installs it. */
export function requireRuntime(name) {
  const path = findRuntime(name);
  if (path !== undefined) return path;
  const line = `npm install --prefix ${runtimesFolder} --no-save --ignore-scripts`;
  throw new Error(`Cannot use ${name}: not installed. Install it with: ${line}`);
}

/** The command by which a runtime runs a TypeScript file of the project, with a garbage collector to call. */
export function commandOf(name) {
  switch (name) {
    case "bun":
      return [requireRuntime("bun"), "--expose-gc"];
    case "deno":
      return [requireRuntime("deno"), "run", "--quiet", "--allow-all", "--v8-flags=--expose-gc"];
    case "node":
      return [process.execPath, "--expose-gc", "--import", "tsx"];
    case "node22":
    case "node24":
    case "node26":
      return [requireRuntime(name), "--expose-gc", "--import", "tsx"];
    default:
      throw new Error(`Cannot run on ${name}: know node, node22, node24, node26, bun, deno`);
  }
}

function missingMessage(names) {
  return `Missing: ${names.join(", ")}. Install them with: ${installLine(names)}`;
}

function installLine(names) {
  return `sudo apt-get install -y ${packagesOf(names).join(" ")}`;
}

function packagesOf(names) {
  return [...new Set(names.flatMap((name) => programs[name].packages))];
}

/** Finds a program by the names of its binary; a RegExp for versioned ones. */
function binary(...names) {
  return () => names.map(findBinary).find((path) => path !== undefined);
}

/** Finds a file at its one place. */
function file(path) {
  return () => (existsSync(path) ? path : undefined);
}

/** Finds a C header where the compiler finds it. */
function header(name) {
  const pattern = new RegExp(`"([^"\\n]*/${name.replaceAll(".", "\\.")})"`);
  return () => pattern.exec(ask(programs.cc, ["-E", "-x", "c", "-"], `#include <${name}>\n`))?.[1];
}

/** Finds a Perl module where Perl finds it. */
function perlModule(name) {
  const file = `${name.replaceAll("::", "/")}.pm`;
  return () => ask(programs.perl, ["-e", `eval { require ${name} } and print $INC{"${file}"}`], "") || undefined;
}

/** Finds an extension of PHP where php-fpm has it. */
function phpExtension(name) {
  return () => (ask(programs["php-fpm"], ["-m"], "").split("\n").includes(name) ? name : undefined);
}

/** The output of a program; empty if it is missing or fails. */
function ask({ find }, args, input) {
  const path = find();
  if (path === undefined) return "";
  try {
    return execFileSync(path, args, { input, encoding: "utf8", stdio: ["pipe", "pipe", "ignore"] });
  } catch {
    return "";
  }
}

function findBinary(name) {
  const folders = [...(process.env.PATH ?? "").split(delimiter).filter(Boolean), ...sbinFolders];
  for (const folder of folders) {
    const candidates = typeof name === "string" ? [name] : versionsIn(folder, name);
    const found = candidates.map((candidate) => join(folder, candidate)).find(isExecutable);
    if (found !== undefined) return found;
  }
  return undefined;
}

/** The newest version first: php-fpm8.10 before php-fpm8.2. */
function versionsIn(folder, pattern) {
  try {
    const names = readdirSync(folder).filter((name) => pattern.test(name));
    return names.sort((a, b) => b.localeCompare(a, "en", { numeric: true }));
  } catch {
    return [];
  }
}

function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/**
 * Compares what is locked with what npm says it installed. Not by the files' times: a checkout, a copied folder and a
 * restored cache all give times that mean nothing.
 */
function isInstalled(locked, installed = {}) {
  return Object.entries(locked).every(([path, { version, integrity, optional }]) => {
    const found = installed[path];
    if (path === "") return true;
    // Builds for other platforms are in every lock file and in no folder.
    if (found === undefined) return optional === true;
    return found.version === version && found.integrity === integrity;
  });
}

function readPackages(path) {
  try {
    return JSON.parse(readFileSync(join(projectFolder, path), "utf8")).packages;
  } catch {
    return undefined;
  }
}
