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
 * Names that start so are refused: dot files, locks of editors, and WordPress's file with passwords, whatever it was
 * renamed to.
 */
const SOURCE_STARTS = /^(\.|~\$|wp-config)/;

/** Names that are refused: files of tools, PHP programs for the command line, logs. */
const SOURCE_NAMES: ReadonlySet<string> = new Set([
  "access_log",
  "artisan",
  "auth.json",
  "composer.json",
  "cvs",
  "dockerfile",
  "error_log",
  "htaccess",
  "htpasswd",
  "makefile",
  "package-lock.json",
  "package.json",
  "php_errorlog",
  "phpunit.xml",
  "spark",
  "web.config",
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
    "db dump mysql pgsql sql sqlite",
    "err log pid",
    "backup bak bk bkp copy dist old orig rej save swm swn swo swp temp tmp",
  ].flatMap((line) => line.split(" ")),
);

/**
 * Extensions that only wrap a file. The extension before them decides: `dump.sql.gz`, `config.inc.txt`, `debug.log.1`.
 */
const WRAPPER = /^(7z|br|bz2|gz|rar|tar|tgz|txt|xz|zip|zst|\d+)$/;

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
  if (!form.includes("%")) return form;
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
  return parts.every((part, at) => (at === 0 && part === ".well-known") || isPublicName(part, extension));
}

function isPublicName(part: string, extension: string | undefined): boolean {
  const name = folded(part);
  if (name === "" || /[/\\]/.test(name) || name.endsWith("~")) return false;
  if (SOURCE_STARTS.test(name) || SOURCE_NAMES.has(name) || SHORT_NAME.test(name) || PHP.test(name)) return false;
  if (extension !== undefined && name.includes(folded(extension))) return false;
  const [, ...extensions] = name.split(".");
  let last = extensions.pop();
  while (last !== undefined && WRAPPER.test(last)) last = extensions.pop();
  // Only the first letters count: ".inc_old", ".sql-2026", ".bak2", ".sqlite3".
  return last === undefined || !SOURCE_EXTENSIONS.has(/^[a-z]*/.exec(last)![0]);
}

/**
 * A name as the most tolerant file system compares it: without case, accents, invisible characters, and blanks and dots
 * at its ends.
 */
function folded(name: string): string {
  const plain = name.toUpperCase().toLowerCase().normalize("NFKD").replace(NOT_COMPARED, "").replaceAll("\u3002", ".");
  let start = 0;
  let end = plain.length;
  while (start < end && plain[start]!.trim() === "") start++;
  while (end > start && (plain[end - 1] === "." || plain[end - 1]!.trim() === "")) end--;
  // Normalising may have made capital letters, for example of full-width ones.
  return plain.slice(start, end).toLowerCase();
}
