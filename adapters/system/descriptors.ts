// A process that has opened as many files as it may can't accept connections. Node then closes the connections that wait, and tells the
// program nothing. Deno's `accept` fails. Bun tries again at once, without end, and uses a whole core until it succeeds.

import { closeSync, openSync } from "node:fs";
import type { SystemError } from "../shared/connect.ts";

/** Milliseconds without a shortage after which the next one is reported. */
const QUIET_TIME = 10_000;

/** Milliseconds between two checks for a shortage. On Bun this is the longest time for which a core is used up. */
const LOOK_INTERVAL = 250;

/** Whether a process, or the whole system, may open no more files. */
export function isShortage(error: unknown): boolean {
  const { code } = error as SystemError;
  return code === "EMFILE" || code === "ENFILE";
}

/** Reports a shortage once, however often it is noticed while it lasts. */
export class ShortageReport {
  readonly #onError: (error: unknown) => void;
  #noticedAt = Number.NEGATIVE_INFINITY;

  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
  }

  /** Called when there is a shortage. */
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

/** Checks for a shortage after connections were accepted. For Node, which reports none. */
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
    const shortage = shortageNow();
    if (shortage === null) return;
    this.#report.notice(shortage);
    this.accepted();
  }
}

/**
 * A descriptor that is kept in reserve for Bun. In a shortage it is closed, so that Bun can accept a waiting connection with it. That
 * connection is closed at once, which frees the descriptor for the next one, until none waits. Node does the same by itself.
 */
export class SpareDescriptor {
  readonly #report: ShortageReport;
  readonly #timer: ReturnType<typeof setInterval>;
  #fd: number | null = null;
  #isShort = false;

  constructor(onError: (error: unknown) => void) {
    this.#report = new ShortageReport(onError);
    this.#look();
    // All the time: Bun does not report a connection that it can't accept.
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

  /** Keeps the descriptor only if one more can be opened: the next connection needs one. */
  #look(): void {
    this.#fd ??= tryOpen().fd;
    const shortage = shortageNow();
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

/** The error of the system if the process can open no more files now; otherwise null. */
export function shortageNow(): unknown {
  const { fd, shortage } = tryOpen();
  if (fd !== null) closeSync(fd);
  return shortage;
}

/** Opens a file that exists on every system. */
function tryOpen(): { fd: number | null; shortage: unknown } {
  try {
    return { fd: openSync("/dev/null", "r"), shortage: null };
  } catch (error) {
    // Any other reason why the file can't be opened says nothing about a shortage.
    return { fd: null, shortage: isShortage(error) ? error : null };
  }
}
