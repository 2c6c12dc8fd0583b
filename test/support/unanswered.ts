import { onTestFinished } from "vitest";
import { fullPort, fullSocket } from "./full_backlog.ts";

/** A port on which a connection is neither accepted nor refused, until the test is over. */
export async function unansweredPort(): Promise<{ port: number }> {
  const { port, close } = await fullPort();
  onTestFinished(close);
  return { port };
}

/** A Unix socket on which a connection is neither accepted nor refused, until the test is over. */
export async function unansweredSocket(path: string): Promise<void> {
  const { close } = await fullSocket(path);
  onTestFinished(close);
}
