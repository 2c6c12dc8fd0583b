// What happens when a process may open no more files, and so can't accept connections. Node closes those that wait for it, and says
// nothing. Deno's `accept` fails. Bun tries again at once, for ever, and takes a whole core until it succeeds.

import { closeSync, openSync } from "node:fs";
import type { SystemError } from "../shared/connect.ts";

/** Milliseconds without a shortage after which the next one is told of. */
const QUIET_TIME = 10_000;

/** Milliseconds from one look for a shortage to the next. On Bun it is the longest time that a core is taken. */
const LOOK_INTERVAL = 250;

/** Whether a process, or the whole system, may open no more files. */
export function isShortage(error: unknown): boolean {
  const { code } = error as SystemError;
  return code === "EMFILE" || code === "ENFILE";
}

/** Tells of a shortage once, however often it is noticed while it lasts. */
export class ShortageReport {
  readonly #onError: (error: unknown) => void;
  #noticedAt = Number.NEGATIVE_INFINITY;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** There is a shortage now. */
  notice(cause: unknown): void {
    const now = performance.now();
    const isNew = now - this.#noticedAt > QUIET_TIME;
    this.#noticedAt = now;
    if (!isNew) return;
    const { code } = cause as SystemError;
    const advice = "raise the limit of files (ulimit -n), or lower maxConnections";
    this.#onError(new Error(`Cannot accept connections: too many files are open (${code}); ${advice}`, { cause }));
  }
}

/** Looks for a shortage after connections were accepted, for Node: it tells of none. */
export class ShortageWatch {
  readonly #report: ShortageReport;
  #timer: ReturnType<typeof setTimeout> | null = null;

  constructor(onError: (error: unknown) => void) {
    this.#report = new ShortageReport(onError);
  }

  /** A connection was accepted. */
  accepted(): void {
    if (this.#timer !== null) return;
    this.#timer = setTimeout(() => this.#look(), LOOK_INTERVAL);
    this.#timer.unref();
  }

  stop(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
  }

  #look(): void {
    this.#timer = null;
    const { fd, shortage } = tryOpen();
    if (fd !== null) closeSync(fd);
    if (shortage === null) return;
    this.#report.notice(shortage);
    this.accepted();
  }
}

/**
 * A descriptor that is given up in a shortage, for Bun: it accepts a connection with it, which is closed at once, and so on until none
 * waits. Node does the same.
 */
export class SpareDescriptor {
  readonly #report: ShortageReport;
  readonly #timer: ReturnType<typeof setInterval>;
  #fd: number | null = null;
  #isShort = false;

  constructor(onError: (error: unknown) => void) {
    this.#report = new ShortageReport(onError);
    this.#look();
    // Always: Bun tells of no connection that it can't accept.
    this.#timer = setInterval(() => this.#look(), LOOK_INTERVAL);
    this.#timer.unref();
  }

  /** Whether a connection that was accepted may stay. */
  admits(): boolean {
    if (this.#isShort) this.#look();
    return !this.#isShort;
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#giveUp();
  }

  /** Keeps the descriptor only if there is one more: the next connection needs it. */
  #look(): void {
    this.#fd ??= tryOpen().fd;
    const { fd, shortage } = tryOpen();
    if (fd !== null) closeSync(fd);
    this.#isShort = shortage !== null;
    if (shortage === null) return;
    this.#report.notice(shortage);
    this.#giveUp();
  }

  #giveUp(): void {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
  }
}

/** Opens a file that there always is. */
function tryOpen(): { fd: number | null; shortage: unknown } {
  try {
    return { fd: openSync("/dev/null", "r"), shortage: null };
  } catch (error) {
    // Where the file may not be opened for another reason, this tells nothing.
    return { fd: null, shortage: isShortage(error) ? error : null };
  }
}
