// Colours of a terminal (ECMA-48 8.3.117).

import type { Output } from "./command.ts";

const CODES = { bold: 1, red: 31, green: 32, yellow: 33 } as const;

/** A text in a style, where the output shows colours. */
export function styled({ hasColor }: Output, style: keyof typeof CODES, text: string): string {
  return hasColor ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
}

/** Replaces control characters: the peer may have sent any, and a terminal obeys some. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\ufffd]/gu, "·");
}
