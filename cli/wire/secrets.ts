// What is not shown unless the user asks for it: by the names of variables, header fields, parameters of queries and fields of bodies.

const SECRET_PART =
  /AUTHORIZATION|AUTH_?(?:PW|PASS|DIGEST|KEY)|X_AUTH|COOKIE|PASSW|PASSPHRASE|SECRET|TOKEN|(?:API|ACCESS|PRIVATE|CLIENT|SIGNING)_?KEY|OIDC_?DATA|CREDENTIAL|SESSION|SESS_?ID|CSRF|XSRF|NONCE|JWT|SAML_?RESPONSE|ASSERTION|VERIFIER|(?:PASS|PWD)\d*(?![A-Z0-9])/;
/** Too short to be looked for within words. */
const SECRET_WORD = /(?:^|[^A-Z])(?:PW|PIN|OTP|SID|SIG|SIGNATURE)\d*(?![A-Z0-9])/;
const SECRET_NAME = /^(?:PHP_(?:ADMIN_)?VALUE|CODE|KEY)$/;
const MASK = "(masked)";
const QUOTED_MASK = `"${MASK}"`;

/** Whether the value of this variable, field or parameter is shown only on demand. */
export function isSecret(name: string): boolean {
  const plain = decoded(name).replaceAll("-", "_").toUpperCase();
  return SECRET_PART.test(plain) || SECRET_WORD.test(plain) || SECRET_NAME.test(plain);
}

/** The value of a variable or header field, without what is secret in it. */
export function maskValue(name: string, value: string): string {
  if (value === "" || !isSecret(name)) return maskText(value);
  if (/COOKIE/i.test(name)) return maskCookies(value);
  const scheme = /AUTHORIZATION$/i.test(name) ? /^[A-Za-z][\w-]*(?= )/.exec(value)?.[0] : undefined;
  return scheme === undefined ? maskOf(value) : `${scheme} ${maskOf(value.slice(scheme.length + 1))}`;
}

/** A line of a header, without what is secret in it. */
export function maskLine(line: string): string {
  const colon = line.indexOf(":");
  if (colon < 1) return maskText(line);
  const name = line.slice(0, colon).trim();
  const value = line.slice(colon + 1);
  const blank = /^\s*/.exec(value)![0];
  if (/^set-cookie/i.test(name)) return `${line.slice(0, colon)}:${blank}${maskSetCookie(value.trim())}`;
  return `${line.slice(0, colon)}:${blank}${maskValue(name, value.trim())}`;
}

/**
 * A text without the secrets in it that have a name: parameters of a query or of a form, passwords in URLs, members of JSON, and fields
 * of multipart forms. Any other secret is shown.
 */
export function maskText(text: string): string {
  const withoutPairs = maskNamed(text, PAIR_NAME, pairValue).replace(/(\/\/[^/\s:@]*:)[^/\s@]+@/g, `$1${MASK}@`);
  return maskNamed(withoutPairs, MEMBER_NAME, memberValue).replace(
    /(\bname="([^"\r\n]{1,100})"[^\r\n]{0,200}(?:\r?\n[^\r\n]{1,200}){0,4}\r?\n\r?\n)([\s\S]*?)(?=\r?\n--|$)/g,
    (all, before: string, name: string) => (isSecret(name) ? `${before}${MASK}` : all),
  );
}

/** A name in a query, a form, a cookie or an attribute, up to its value. */
const PAIR_NAME = /(?<=^|[?&;#\s"'])([^=&;?#\s"'<>]+)=/g;
/** A name in JSON, up to its value. */
const MEMBER_NAME = /"([^"\\]{1,100})"\s{0,9}:\s{0,9}/g;

/** Where a value ends, and what stands for it. */
type Value = readonly [end: number, mask: string];

/** Masks the values of secrets. `valueAt` returns the value that begins at an index; if there is none, it ends there. */
function maskNamed(text: string, names: RegExp, valueAt: (text: string, start: number) => Value): string {
  let masked = "";
  let done = 0;
  const search = new RegExp(names);
  for (let found = search.exec(text); found !== null; found = search.exec(text)) {
    const start = search.lastIndex;
    if (!isSecret(found[1]!)) continue;
    const [end, mask] = valueAt(text, start);
    if (end === start) continue;
    masked += text.slice(done, start) + mask;
    done = end;
    search.lastIndex = end;
  }
  return masked + text.slice(done);
}

function pairValue(text: string, start: number): Value {
  return [endOf(/"[^"\r\n]*"?|[^&;\s"<>#]+/y, text, start), text[start] === '"' ? QUOTED_MASK : MASK];
}

/** A string, a number, or an array, which may be cut off. */
function memberValue(text: string, start: number): Value {
  const first = text[start];
  if (first !== '"' && first !== "[") return [endOf(/[-\d.]+/y, text, start), QUOTED_MASK];
  let isString = false;
  let depth = 0;
  for (let index = start; index < text.length; index++) {
    const character = text[index];
    if (isString && character === "\\") index++;
    else if (character === '"') isString = !isString;
    else if (!isString && character === "[") depth++;
    else if (!isString && character === "]") depth--;
    if (!isString && depth === 0) return [index + 1, QUOTED_MASK];
  }
  return [text.length, QUOTED_MASK];
}

/** Where the match of a sticky pattern ends; `start` if there is none. */
function endOf(pattern: RegExp, text: string, start: number): number {
  pattern.lastIndex = start;
  return pattern.test(text) ? pattern.lastIndex : start;
}

/** Why a rule is broken. A line without the name of a field may be anything, so only its beginning stays. */
export function maskReason(reason: string): string {
  return maskText(reason).replace(/^(one line is "[^:"]{0,20}).*$/s, "$1…");
}

function maskOf(value: string): string {
  return `(masked, ${value.length} ${value.length === 1 ? "byte" : "bytes"})`;
}

/** The names of cookies stay. */
function maskCookies(value: string): string {
  if (!value.includes("=")) return maskOf(value);
  return value
    .split(";")
    .map((cookie) => (cookie.includes("=") ? cookie.replace(/=.*$/s, `=${MASK}`) : ` ${MASK}`))
    .join(";");
}

/** The name of the cookie and its attributes stay. */
function maskSetCookie(value: string): string {
  const end = value.indexOf(";");
  const cookie = end < 0 ? value : value.slice(0, end);
  return maskCookies(cookie) + (end < 0 ? "" : value.slice(end));
}

function decoded(name: string): string {
  try {
    return decodeURIComponent(name.replaceAll("+", " "));
  } catch {
    return name;
  }
}
