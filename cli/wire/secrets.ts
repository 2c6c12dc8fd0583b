// What is not shown unless the user asks for it: by the names of variables, header fields, parameters of queries and fields of bodies.

const SECRET_PART =
  /AUTHORIZATION|AUTH_?(?:PW|PASS|DIGEST|KEY)|X_AUTH|COOKIE|PASSW|PASSPHRASE|SECRET|TOKEN|(?:API|ACCESS|PRIVATE|SIGNING)_?KEY|CREDENTIAL|SESSION|CSRF|XSRF|NONCE/;
const SECRET_NAME = /^(?:PHP_(?:ADMIN_)?VALUE|PWD|PASS|PW|PIN|OTP|CODE|SID|SIG|SIGNATURE|KEY)$/;
const MASK = "(masked)";

/** Whether the value of this variable, field or parameter is shown only on demand. */
export function isSecret(name: string): boolean {
  const plain = decoded(name).replaceAll("-", "_").toUpperCase();
  return SECRET_PART.test(plain) || SECRET_NAME.test(plain);
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
  return text
    .replace(/(^|[?&;])([^=&;?\s"<>]+)=([^&;\s"<>#]+)/g, (all, before: string, name: string) =>
      isSecret(name) ? `${before}${name}=${MASK}` : all,
    )
    .replace(/(\/\/[^/\s:@]*:)[^/\s@]+@/g, `$1${MASK}@`)
    .replace(
      /("([^"\\]{1,100})"\s{0,9}:\s{0,9})(?:"(?:[^"\\]|\\.)*(?:"|$)|[\d.]+)/g,
      (all, before: string, name: string) => (isSecret(name) ? `${before}"${MASK}"` : all),
    )
    .replace(
      /(\bname="([^"\r\n]{1,100})"[^\r\n]{0,200}(?:\r?\n[^\r\n]{1,200}){0,4}\r?\n\r?\n)([\s\S]*?)(?=\r?\n--|$)/g,
      (all, before: string, name: string) => (isSecret(name) ? `${before}${MASK}` : all),
    );
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
