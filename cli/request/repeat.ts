// The same request many times: times, statuses, and what went wrong.

import { type FastCgiClient, FastCgiError, type FastCgiRequestInit } from "../../src/toolkit.ts";
import type { CommandContext } from "../frame/command.ts";
import { Progress } from "../frame/progress.ts";
import { safeJson, safeLine } from "../frame/style.ts";
import { exchange } from "./exchange.ts";
import { exitOfError, exitOfStatus, REQUEST_EXITS } from "./exits.ts";

/** What all requests together came to. */
export interface Summary {
  readonly requests: number;
  readonly seconds: number;
  readonly bytes: number;
  /** How many answers had each status. */
  readonly statuses: Readonly<Record<string, number>>;
  /** How many requests failed for each reason. */
  readonly errors: Readonly<Record<string, number>>;
  /** Milliseconds of the requests that were answered. Null if none was. */
  readonly milliseconds: {
    readonly min: number;
    readonly median: number;
    readonly p95: number;
    readonly max: number;
  } | null;
}

/** Sends `count` requests, and prints a summary. Resolves with the exit code. */
export async function repeat(
  count: number,
  makeRequest: () => Promise<FastCgiRequestInit>,
  client: FastCgiClient,
  { concurrency, json }: { readonly concurrency: number; readonly json: boolean },
  { print, stderr, signal }: CommandContext,
): Promise<number> {
  const progress = new Progress(stderr);
  const times = new Times();
  const statuses = new Map<string, number>();
  const errors = new Map<string, number>();
  /** What each request would have ended with alone. */
  const exits = new Set<number>();
  let [begun, done, bytes] = [0, 0, 0];
  const started = performance.now();
  const send = async (): Promise<void> => {
    while (begun < count && !signal.aborted) {
      begun++;
      const start = performance.now();
      try {
        const answer = await exchange(client, await makeRequest());
        for await (const piece of answer.body()) bytes += piece.length;
        await answer.end;
        times.add(performance.now() - start);
        add(statuses, String(answer.status));
        exits.add(exitOfStatus(answer.status));
      } catch (error) {
        if (signal.aborted) return;
        if (!(error instanceof FastCgiError)) throw error;
        add(errors, error.message);
        exits.add(exitOfError(error));
      }
      done++;
      progress.show(() => `${done} of ${count} requests`);
    }
  };
  await Promise.all(Array.from({ length: Math.min(concurrency, count) }, send)).finally(() => progress.clear());
  const summary: Summary = {
    requests: done,
    seconds: rounded((performance.now() - started) / 1000),
    bytes,
    statuses: Object.fromEntries(statuses),
    errors: Object.fromEntries(errors),
    milliseconds: times.summary,
  };
  print(json ? safeJson(summary) : summaryText(summary));
  if (signal.aborted) return REQUEST_EXITS.interrupted;
  const [exit = REQUEST_EXITS.answered, ...others] = exits;
  if (others.length === 0) return exit;
  return errors.size > 0 ? REQUEST_EXITS.broken : REQUEST_EXITS.refused;
}

/** The most different statuses, or reasons, that are counted apart. */
const MAX_KEYS = 1000;

function add(counts: Map<string, number>, key: string): void {
  const counted = counts.has(key) || counts.size < MAX_KEYS ? key : "others";
  counts.set(counted, (counts.get(counted) ?? 0) + 1);
}

/** The most times that are kept: of more requests, as many by chance. */
const MAX_TIMES = 1_000_000;

/** How long the requests took. */
class Times {
  readonly #kept: number[] = [];
  #count = 0;
  #min = Number.POSITIVE_INFINITY;
  #max = 0;

  add(milliseconds: number): void {
    this.#count++;
    this.#min = Math.min(this.#min, milliseconds);
    this.#max = Math.max(this.#max, milliseconds);
    // Each time stays with the same chance (reservoir sampling).
    const place = this.#kept.length < MAX_TIMES ? this.#kept.length : Math.floor(Math.random() * this.#count);
    if (place < MAX_TIMES) this.#kept[place] = milliseconds;
  }

  get summary(): Summary["milliseconds"] {
    if (this.#count === 0) return null;
    const sorted = this.#kept.toSorted((a, b) => a - b);
    const at = (part: number): number =>
      rounded(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))]!);
    return { min: rounded(this.#min), median: at(0.5), p95: at(0.95), max: rounded(this.#max) };
  }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}

function summaryText({ requests, seconds, bytes, statuses, errors, milliseconds }: Summary): string {
  const lines = [
    `${requests} requests in ${seconds.toFixed(2)} s, ${(requests / seconds).toFixed(0)} a second, ${bytes} bytes of bodies`,
  ];
  for (const [status, count] of Object.entries(statuses)) lines.push(`status ${status}: ${count}`);
  for (const [message, count] of Object.entries(errors)) lines.push(`failed: ${count}, ${safeLine(message)}`);
  if (milliseconds !== null) {
    const { min, median, p95, max } = milliseconds;
    lines.push(`milliseconds: min ${min}, median ${median}, 95 % ${p95}, max ${max}`);
  }
  return lines.join("\n");
}
