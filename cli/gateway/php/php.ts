// PHP as the gateway has it: one process with its workers, which is started again when it dies, and replaced on demand.

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { openTemporaryFile } from "../../../adapters/system/spool.ts";
import type { FastCgiConnection, FastCgiHttpConnector } from "../../../src/toolkit.ts";
import { untilAborted } from "../../frame/signal.ts";
import { Supervisor } from "../../serve/supervisor.ts";
import { Keeper } from "./keeper.ts";
import { type PhpOptions, type PhpProcess, startPhp } from "./process.ts";

/** What PHP needs besides its folder. */
export type OwnPhpOptions = Omit<PhpOptions, "folder" | "keeper">;

/** A PHP of our own. */
export class OwnPhp {
  /** Connects to the process that serves. While there is none, connections wait for the next one. */
  readonly connector: FastCgiHttpConnector;
  readonly #folder: string;
  readonly #keeper: Keeper;
  readonly #supervisor: Supervisor;
  readonly #ending = new AbortController();
  #serving: PhpProcess | null = null;
  /** Connections that wait for a process that serves. */
  readonly #waiting = new Set<(serving: PhpProcess) => void>();

  constructor(options: OwnPhpOptions) {
    this.#folder = mkdtempSync(join(tmpdir(), "fetchcgi-gateway-"));
    this.#keeper = new Keeper(this.#folder);
    this.#supervisor = new Supervisor({
      workers: 1,
      fork: () => this.#fork(options),
      report: options.report,
      sleep: (milliseconds) => sleep(milliseconds, undefined, { signal: this.#ending.signal }).catch(() => {}),
      now: () => performance.now(),
    });
    this.connector = {
      // As the connectors to sockets have it.
      preset: { openSpool: openTemporaryFile },
      connect: async (attempt): Promise<FastCgiConnection> => {
        const { connector } = this.#serving ?? (await this.#next(attempt.signal));
        return connector.connect(attempt);
      },
    };
  }

  /** Rejects, and leaves nothing, if PHP does not start. */
  async start(): Promise<void> {
    try {
      await this.#supervisor.start();
    } catch (error) {
      await this.#leave();
      throw error;
    }
  }

  /**
   * Starts PHP anew, with its changed settings. Requests that run are answered by the one before. Resolves with whether the new one
   * serves; the one before goes on if it does not.
   */
  reload(): Promise<boolean> {
    return this.#supervisor.reload();
  }

  /** Lets running requests finish, and ends. `limit` ends them before. */
  async close(limit: Promise<void>): Promise<void> {
    this.#ending.abort();
    await this.#supervisor.close(limit);
    await this.#leave();
  }

  async #leave(): Promise<void> {
    rmSync(this.#folder, { recursive: true, force: true });
    await this.#keeper.close();
  }

  #fork(options: OwnPhpOptions): PhpProcess {
    const started = startPhp({ ...options, folder: this.#folder, keeper: this.#keeper });
    started.ready.then(
      () => {
        this.#serving = started;
        for (const told of this.#waiting) told(started);
      },
      // Told by the supervisor.
      () => {},
    );
    void started.exited.then(() => {
      if (this.#serving === started) this.#serving = null;
    });
    return started;
  }

  async #next(signal: AbortSignal): Promise<PhpProcess> {
    let told!: (serving: PhpProcess) => void;
    const next = new Promise<PhpProcess>((resolve) => {
      told = resolve;
    });
    this.#waiting.add(told);
    try {
      return await untilAborted(next, signal);
    } finally {
      this.#waiting.delete(told);
    }
  }
}
