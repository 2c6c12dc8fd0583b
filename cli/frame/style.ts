// Colours of a terminal (ECMA-48 8.3.117).

import type { Output } from "./command.ts";

const CODES = { bold: 1, red: 31, green: 32, yellow: 33 } as const;

/** A text in a style, where the output shows colours. */
export function styled({ hasColor }: Output, style: keyof typeof CODES, text: string): string {
  return hasColor ? `\u001b[${CODES[style]}m${text}\u001b[0m` : text;
}

/** Characters that no text has, and those that change how a terminal or a reader sees what is around them. */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}\ufffd]/gu;

/** One line of a text that a peer may have sent, without what a terminal obeys. */
export function safeLine(text: string): string {
  return text.replace(UNSEEN, "·");
}

/**
 * JSON, which a terminal does not obey either: JSON leaves some of these characters as they are. It is one line, unless `indent` says by
 * how many spaces each level is moved.
 */
export function safeJson(value: unknown, indent?: number): string {
  return JSON.stringify(value, null, indent).replace(UNSEEN, (character) =>
    // Only between values: within a string it has a backslash already.
    character === "\n"
      ? character
      : character
          .split("")
          .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
          .join(""),
  );
}
