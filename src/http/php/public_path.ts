// Which paths a file server may be asked for if PHP and its sources are in the same folder. A file server reads a path
// in its own way: it may decode twice, ignore case, dots and spaces, or accept what Unicode or Windows take for the
// same name. So the path is checked in every form that it may take, and one form that is not certain to be harmless is
// enough to refuse it. Unlike in script_path.ts, matching too much is safe here: what is refused is not sent.

import { checkString } from "../../base/unexpected.ts";

/**
 * The most forms of a path that are checked: as it is, and decoded again and again. A path that is still encoded then
 * is refused.
 */
const MAX_FORMS = 6;

/**
 * Characters with a meaning for some file system, web server or program, which have no place in the name of a public
 * file: a stream or a drive of Windows (`:`), parameters of a path (`;`), wildcards, separators, control bytes.
 */
const SPECIAL = /[\p{Cc}\p{Cs}\\:;*?"<>|#\ufffd]/u;

/**
 * Characters that some file systems ignore in names, such as a soft hyphen; and accents, which may remain when the case
 * is folded.
 */
const NOT_COMPARED = /[\p{Default_Ignorable_Code_Point}\p{M}]/gu;

/** Short names of Windows, such as `WP-CON~1.PHP`: they open a file that has a longer name. */
const SHORT_NAME = /^[^.]{1,6}~\d{1,6}(\.[^.]{0,3})?$/;

/** A name with one of these is or was PHP: `.php5`, `.phtml`, `.phps`, `.php~`, `.php.bak`, `.php_old`. */
const PHP = /\.(php|pht|phar)/;

/**
 * Names that start so are refused: dot files, locks of editors, logs such as `error_log-20261129`, and files with
 * passwords, whatever they were renamed to.
 */
const SOURCE_STARTS = /^(\.|~\$|wp.?config|ht(access|passwd)(?!-?[a-z])|(access|error)_log|php_errorlog)/;

/** Names that are refused: files of tools, and PHP programs for the command line. */
const SOURCE_NAMES: ReadonlySet<string> = new Set([
  "artisan",
  "auth.json",
  "composer.json",
  "cvs",
  "dockerfile",
  "makefile",
  "package-lock.json",
  "package.json",
  "phpunit.xml",
  "spark",
  "yii",
]);

/**
 * Extensions that are refused: sources of PHP, templates and programs; configuration; databases; logs; what editors and
 * people leave behind.
 */
const SOURCE_EXTENSIONS: ReadonlySet<string> = new Set(
  [
    "ctp engine inc install latte make module neon profile smarty theme tpl twig volt xtmpl",
    "asp aspx bash cfm cgi fcgi jsp pl pm py pyc rb sh",
    "cfg cnf conf config env htaccess htpasswd ini lock toml yaml yml",
    "accdb db dump mdb mysql pgsql rdb sql sqlite",
    "err log pid",
    "backup bak bck bk bkp copy dist old orig rej save swm swn swo swp temp tmp",
  ].flatMap((line) => line.split(" ")),
);

/**
 * Extensions that only wrap a file, and those that begin with no letter. The extension before them decides:
 * `dump.sql.gz`, `config.inc.txt`, `debug.log.1`, `debug.log.2026-11-29`.
 */
const WRAPPER = /^(asc|br|bz2?|gpg|gz|lz4?|lzma|rar|tar|tbz2?|tgz|txt|txz|v\d+|xz|z|zip|zst|\d[a-z\d]*)?(?![a-z\d])/;

/** Where a name may end, for a server that normalises Unicode first: full-width signs such as `；` become these. */
const END_OF_NAME = /[:;?#]/;

/**
 * Says whether a file server may be asked for the path of a URL, if the sources of a PHP site are in the same folder.
 * It refuses scripts, dot files (except `/.well-known/`), sources, templates, configuration, databases, logs and what
 * editors leave behind, in every spelling that a file server or a file system could take for one of them. It also
 * refuses paths with an encoded slash, an empty part, a backslash or a byte that is not UTF-8.
 *
 * ```ts
 * isPublicPath("/style.css"); // true
 * isPublicPath("/wp-config%2EPHP%20"); // false
 * ```
 *
 * A name does not tell where a link leads: adapters with a disk have `fileOnDisk` for that. An archive of the whole
 * site with a name of its own is a file like any other.
 *
 * @param pathname The path as it is in a URL, percent-encoded: `new URL(request.url).pathname`.
 * @param extension The end of script names, if it is not `.php`.
 * @throws {TypeError} If an argument is no string.
 */
export function isPublicPath(pathname: string, extension?: string): boolean {
  checkString(pathname, "Cannot check a path", "pathname");
  if (extension !== undefined) checkString(extension, "Cannot check a path", "extension");
  let form = pathname;
  for (let forms = 0; forms < MAX_FORMS; forms++) {
    if (!isPublicForm(form, extension)) return false;
    const next = decoded(form, forms === 0);
    if (next === form) return true;
    if (next === null) return false;
    form = next;
  }
  return false;
}

/** Decodes a path once; null if it is malformed. After the first time a `%` may be part of the file's own name. */
function decoded(form: string, isFirst: boolean): string | null {
  try {
    return isFirst ? decodeURIComponent(form) : form.replace(/(%[0-9a-f]{2})+/gi, (run) => decodeURIComponent(run));
  } catch {
    return null;
  }
}

function isPublicForm(form: string, extension: string | undefined): boolean {
  // Some servers decode "%u002e" to a full stop.
  if (SPECIAL.test(form) || /%(2f|5c|u[0-9a-f]{4})/i.test(form)) return false;
  const [before, ...parts] = form.split("/");
  if (before !== "" || parts.length === 0) return false;
  // The path of a folder ends with a slash, and has an empty part after it.
  if (parts.at(-1) === "") parts.pop();
  return parts.every((part, at) => (at === 0 && part === ".well-known") || isPublicName(folded(part), extension));
}

function isPublicName(name: string, extension: string | undefined): boolean {
  if (name === "" || /[/\\]/.test(name) || name.endsWith("~")) return false;
  if (SOURCE_STARTS.test(name) || SOURCE_NAMES.has(name) || SHORT_NAME.test(name) || PHP.test(name)) return false;
  if (extension !== undefined && name.includes(folded(extension))) return false;
  const end = name.search(END_OF_NAME);
  if (end > 0 && !isPublicName(folded(name.slice(0, end)), extension)) return false;
  const parts = name.split(".");
  const last = parts.findLastIndex((part) => !WRAPPER.test(part));
  if (last < 1) return true;
  // Only the first letters count: ".inc_old", ".sql-2026", ".bak2", ".sqlite3", "auth.json_old".
  const [letters] = /[a-z]*/.exec(parts[last]!)!;
  return !SOURCE_EXTENSIONS.has(letters) && !SOURCE_NAMES.has([...parts.slice(0, last), letters].join("."));
}

/**
 * A name as the most tolerant file system compares it: without case, accents, invisible characters, and blanks and dots
 * at its ends.
 */
function folded(name: string): string {
  // Normalised first, for it may make capital letters of full-width ones, and a dotless i.
  const plain = name.normalize("NFKD").replace(NOT_COMPARED, "").toUpperCase().toLowerCase().replaceAll("\u3002", ".");
  let end = plain.length;
  while (end > 0 && (plain[end - 1] === "." || plain[end - 1]!.trim() === "")) end--;
  return plain.slice(0, end).trimStart();
}
