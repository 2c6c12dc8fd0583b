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

/** The lines of a header. One that begins with a blank goes on with the field before it (RFC 9112 5.2). */
export function maskHeader(lines: readonly string[]): string[] {
  let name = "";
  return lines.map((line) => {
    if (/^[ \t]/.test(line) && name !== "") return maskLine(`${name}:${line}`).slice(name.length + 1);
    name = line.slice(0, Math.max(0, line.indexOf(":")));
    return maskLine(line);
  });
}

/** What may be a header, or the beginning of one. */
export function maskHeaderText(text: string): string {
  return maskText(maskHeader(text.split("\n")).join("\n"));
}

/**
 * A text without the secrets in it that have a name: parameters of a query or of a form, also within a parameter, passwords in URLs,
 * members of JSON, fields of multipart forms, and of forms in HTML. Any other secret is shown.
 */
export function maskText(text: string): string {
  return maskParts(text, MAX_DEPTH);
}

function maskParts(text: string, depth: number): string {
  const withoutPairs = maskNamed(text, PAIR_NAME, pairValue)
    .replace(/(\/\/[^/\s:@]*:)[^/\s@]+@/g, `$1${MASK}@`)
    .replace(TAG, maskTag);
  const plain = depth === 0 ? withoutPairs : withoutPairs.replace(ENCODED, (value) => maskEncoded(value, depth - 1));
  return maskNamed(plain, MEMBER_NAME, memberValue).replace(
    /(\bname="([^"\r\n]{1,100})"[^\r\n]{0,200}(?:\r?\n[^\r\n]{1,200}){0,4}\r?\n\r?\n)([\s\S]*?)(?=\r?\n--|$)/g,
    (all, before: string, name: string) => (isSecret(name) ? `${before}${MASK}` : all),
  );
}

/** How deep a parameter is looked for within another one, such as `next=%2F%3Ftoken%3D1`. */
const MAX_DEPTH = 3;
/** A value of a query or a form in which something is encoded that has a name. */
const ENCODED = /(?<==)[^=&;\s"'<>#]*%(?:25)*(?:3D|22)[^=&;\s"'<>#]*/gi;

function maskEncoded(value: string, depth: number): string {
  // Byte by byte: it may be no UTF-8.
  const plain = value.replace(/%([0-9a-f]{2})/gi, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 16)),
  );
  let masked = maskParts(plain, depth);
  // It may be encoded twice.
  if (masked === plain && depth > 0 && /%(?:25)*(?:3D|22)/i.test(plain)) masked = maskEncoded(plain, depth - 1);
  if (masked === plain) return value;
  return masked.replace(/[^\w\-.~()]/g, (character) =>
    character > "\xff" ? character : `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`,
  );
}

/** A tag of HTML that has a value and its name, and may be cut off. */
const TAG = /<(?:input|meta|button)\b[^<>]*/gi;

function maskTag(tag: string): string {
  const [, quoted, single, bare] = /(?<![\w-])name\s*=\s*(?:"([^"]*)|'([^']*)|([^\s"'>]+))/i.exec(tag) ?? [];
  if (!isSecret(quoted ?? single ?? bare ?? "")) return tag;
  return tag.replace(/((?<![\w-])(?:value|content)\s*=\s*)(?:"[^"]*"?|'[^']*'?|[^\s"'>]+)/gi, `$1${QUOTED_MASK}`);
}

/** A name in a query, a form, a cookie or an attribute, up to its value. */
const PAIR_NAME = /(?<=^|[?&;#\s"'])([^=&;?#\s"'<>]+)=/g;
/** A name in JSON, or in JSON within a string of JSON, up to its value. */
const MEMBER_NAME = /"([^"\\]{1,100})\\?"\s{0,9}:\s{0,9}/g;

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

/** A string, a number, an array or an object, which may be cut off. */
function memberValue(text: string, start: number): Value {
  const first = text[start] ?? " ";
  if (text.startsWith('\\"', start)) return [endOfInner(text, start + 2), `\\"${MASK}\\"`];
  if (!'"[{'.includes(first)) return [endOf(/[-\d.]+/y, text, start), QUOTED_MASK];
  let isString = false;
  let depth = 0;
  for (let index = start; index < text.length; index++) {
    const character = text[index]!;
    if (isString && character === "\\") index++;
    else if (character === '"') isString = !isString;
    else if (!isString && "[{".includes(character)) depth++;
    else if (!isString && "]}".includes(character)) depth--;
    if (!isString && depth === 0) return [index + 1, QUOTED_MASK];
  }
  return [text.length, QUOTED_MASK];
}

/** Where a string of JSON ends that is within a string of JSON: a quote of its own has more backslashes. */
function endOfInner(text: string, start: number): number {
  let slashes = 0;
  for (let index = start; index < text.length; index++) {
    if (text[index] === "\\") slashes++;
    else if (text[index] === '"' && slashes <= 1) return index + slashes;
    else slashes = 0;
  }
  return text.length;
}

/** Where the match of a sticky pattern ends; `start` if there is none. */
function endOf(pattern: RegExp, text: string, start: number): number {
  pattern.lastIndex = start;
  return pattern.test(text) ? pattern.lastIndex : start;
}

/** Why a rule is broken. A line without the name of a field may be anything, so only its beginning stays. */
export function maskReason(reason: string): string {
  return maskText(reason).replace(/^(one line is "(?:[^\s\\:"=][^:"=]{0,19})?).*$/s, "$1…");
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
