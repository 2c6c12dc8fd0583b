import { STATUS_CODES } from "node:http";
import { describe, expect, it } from "vitest";
import { reasonPhrase } from "../../src/cgi/reason_phrase.ts";

/** What Node calls by an older name than RFC 9110. */
const RENAMED: Readonly<Record<string, string>> = { 413: "Content Too Large", 422: "Unprocessable Content" };

/** Statuses that are not for a response, or not in use (RFC 9110 15.4.6, 15.4.7). */
const UNUSED: readonly number[] = [305, 509, 510];

describe("reasonPhrase", () => {
  it("reasonPhrase has the words of every status that a Response can have", () => {
    for (const [status, words] of Object.entries(STATUS_CODES)) {
      if (Number(status) < 200 || UNUSED.includes(Number(status))) continue;
      expect(reasonPhrase(Number(status)), status).toBe(RENAMED[status] ?? words);
    }
  });

  it("reasonPhrase is empty when a status has no words", () => {
    expect(reasonPhrase(299)).toBe("");
    expect(reasonPhrase(599)).toBe("");
  });
});
