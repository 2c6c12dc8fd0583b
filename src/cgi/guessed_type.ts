/**
 * The Content-Type for a body that has none, because RFC 3875 6.3.1 requires one: text where it begins like text. It is
 * never text/html, which made pages of uploads (CVE-2020-24553).
 */
export function guessedType(start: Uint8Array): string {
  return canBeText(start) ? "text/plain;charset=UTF-8" : "application/octet-stream";
}

function canBeText(bytes: Uint8Array): boolean {
  // Stryker disable BlockStatement: undefined counts as false
  try {
    // `stream`, because the last character may be cut.
    return !new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true }).includes("\0");
  } catch {
    return false;
  }
}
