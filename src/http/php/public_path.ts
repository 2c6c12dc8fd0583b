// Which paths a file server may be asked for where PHP and its sources are in the same folder. A file server sends what it is asked
// for, and what it takes a path for is its own business: it may decode twice, ignore case, dots and spaces, or follow what Unicode
// or Windows take for the same name. So the path is looked at in every form it may take, and one form that is not certain to be
// harmless is enough. Here, unlike in script_path.ts, too much is matched rather than too little: what is refused is not sent.

/** Forms of a path that are looked at: as it is, and decoded again and again. What is still encoded then is refused. */
const MAX_FORMS = 6;

/**
 * Bytes that have a meaning for some file system, web server or program, and no place in the name of a public file: a stream or a
 * drive of Windows (`:`), parameters of a path (`;`), wildcards, separators, control bytes.
 */
const DOUBTFUL = /[\p{Cc}\p{Cs}\\:;*?"<>|#\ufffd]/u;

/** Left out of names by some file systems, such as a soft hyphen; and accents, which folding the case may leave. */
const NOT_COMPARED = /[\p{Default_Ignorable_Code_Point}\p{M}]/gu;

/** Names of Windows for programs of the time before long ones, such as `WP-CON~1.PHP`: they lead to a file of another name. */
const SHORT_NAME = /^[^.]{1,6}~\d{1,6}(\.[^.]{0,3})?$/;

/** What has one of these in its name is PHP, or was: `.php5`, `.phtml`, `.phps`, `.php~`, `.php.bak`, `.php_old`. */
const PHP = /\.(php|pht|phar)/;

/** Starts of names: dot files, locks of editors, and the file with WordPress's passwords whatever it was renamed to. */
const SOURCE_STARTS = /^(\.|~\$|wp-config)/;

/** Whole names: of tools, of PHP programs for the command line, of logs. */
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

/** Ends of names: sources of PHP, templates and programs; configuration; databases; logs; what editors and people leave behind. */
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

/** What only wraps a file, so that the part before it says what it is: `dump.sql.gz`, `config.inc.txt`, `debug.log.1`. */
const WRAPPER = /^(7z|br|bz2|gz|rar|tar|tgz|txt|xz|zip|zst|\d+)$/;

/**
 * Says whether a file server may be asked for the path of a URL, where the sources of a PHP site are in the same folder. Not for
 * scripts, dot files (but for `/.well-known/`), sources, templates, configuration, databases, logs and what editors leave behind;
 * not for any spelling that a file server or a file system could take for one of them; and not for a path that is not written
 * plainly: with an encoded slash, an empty part, a backslash, a byte that is no UTF-8.
 *
 * ```ts
 * isPublicPath("/style.css"); // true
 * isPublicPath("/wp-config%2EPHP%20"); // false
 * ```
 *
 * Where a link with a harmless name leads, no name can say: adapters with a disk have `fileOnDisk` for that. An archive of the whole
 * site with a name of its own is a file like any other.
 *
 * @param pathname The path as it is in a URL, percent-encoded: `new URL(request.url).pathname`.
 * @param extension What the names of scripts end with, where it is another than `.php`.
 */
export function isPublicPath(pathname: string, extension?: string): boolean {
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

/** The path decoded once; null if it is broken. Later than the first time a `%` may be one of the file's own name. */
function decoded(form: string, isFirst: boolean): string | null {
  if (!form.includes("%")) return form;
  try {
    return isFirst ? decodeURIComponent(form) : form.replace(/(%[0-9a-f]{2})+/gi, (run) => decodeURIComponent(run));
  } catch {
    return null;
  }
}

function isPublicForm(form: string, extension: string | undefined): boolean {
  // "%u002e" is a full stop to some.
  if (DOUBTFUL.test(form) || /%(2f|5c|u[0-9a-f]{4})/i.test(form)) return false;
  const [before, ...parts] = form.split("/");
  if (before !== "" || parts.length === 0) return false;
  // Behind the slash at the end of a folder's path there is nothing.
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
  // Its first letters count: ".inc_old", ".sql-2026", ".bak2", ".sqlite3".
  return last === undefined || !SOURCE_EXTENSIONS.has(/^[a-z]*/.exec(last)![0]);
}

/** A name as the most careless file system knows it: without case, accents, invisible letters, and blanks and dots at its ends. */
function folded(name: string): string {
  const plain = name.toUpperCase().toLowerCase().normalize("NFKD").replace(NOT_COMPARED, "").replaceAll("\u3002", ".");
  let start = 0;
  let end = plain.length;
  while (start < end && plain[start]!.trim() === "") start++;
  while (end > start && (plain[end - 1] === "." || plain[end - 1]!.trim() === "")) end--;
  // What was a letter of another width has a case only now.
  return plain.slice(start, end).toLowerCase();
}
