import { join } from "node:path";
import { type Browser, chromium } from "playwright-core";
import { requireProgram } from "../../scripts/setup.mjs";
import { type RunningProcess, startProcess, waitUntil } from "./process.ts";

const FLAGS = [
  "headless",
  "no-sandbox",
  "disable-gpu",
  "disable-quic",
  "disable-dev-shm-usage",
  "disable-background-networking",
  "disable-component-update",
  "disable-sync",
  "no-first-run",
  "remote-debugging-port=0",
];

/** Starts Chromium without a window, with a profile in `folder`, and opens `url`. */
export function startChromium(folder: string, url: string): Promise<RunningProcess> {
  const flags = [...FLAGS, `user-data-dir=${join(folder, "profile")}`].map((flag) => `--${flag}`);
  return startProcess(requireProgram("chromium"), { name: "chromium", args: [...flags, url] });
}

export interface DrivenBrowser {
  readonly browser: Browser;
  stop(): Promise<void>;
}

/** Starts Chromium, to be driven by Playwright. */
export async function startBrowser(folder: string): Promise<DrivenBrowser> {
  const program = await startChromium(folder, "about:blank");
  try {
    const endpoint = (): string | undefined => /DevTools listening on (ws:\S+)/.exec(program.stderr())?.[1];
    const ended = program.exited.then((how) =>
      Promise.reject(new Error(`Chromium ended with ${how}: ${program.stderr()}`)),
    );
    await Promise.race([waitUntil(() => endpoint() !== undefined, { timeout: 60_000 }), ended]);
    const browser = await chromium.connectOverCDP(endpoint()!, { timeout: 60_000 });
    return {
      browser,
      async stop() {
        await browser.close();
        await program.stop();
      },
    };
  } catch (error) {
    await program.stop();
    throw error;
  }
}
