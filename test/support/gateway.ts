import { fetchcgi, type Run } from "../cli/run.ts";
import { waitUntil } from "./process.ts";

/** `fetchcgi gateway` in this process. */
export interface Gateway {
  readonly url: string;
  readonly port: number;
  /** The access log. */
  log(): string;
  /** What it says besides. */
  errors(): string;
  /** Asks it to end. */
  stop(): Promise<Run>;
}

/** Starts the command on a free port, and waits until it serves. */
export async function startGateway(args: readonly string[]): Promise<Gateway> {
  const controller = new AbortController();
  const [text, errors]: [string[], string[]] = [[], []];
  let ended: Run | undefined;
  const running = fetchcgi(["gateway", "--port", "0", ...args], { signal: controller.signal, text, errors }).then(
    (run) => {
      ended = run;
      return run;
    },
  );
  const urlOf = (): string | undefined => / at (https?:\S+)\/$/m.exec(errors.join(""))?.[1];
  await waitUntil(() => {
    if (ended !== undefined) throw new Error(`Cannot start the gateway: code ${ended.code}, ${ended.errors}`);
    return urlOf() !== undefined;
  });
  const url = urlOf()!;
  return {
    url,
    port: Number(new URL(url).port),
    log: () => text.join(""),
    errors: () => errors.join(""),
    stop() {
      controller.abort();
      return running;
    },
  };
}
