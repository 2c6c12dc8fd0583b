import { onTestFinished } from "vitest";
import {
  FastCgiHttpClient,
  type FastCgiHttpConnector,
  type FastCgiListener,
  FastCgiUnixConnector,
  type ServeOptions,
  serve,
} from "../../adapters/node/index.ts";

/** The user and the group of that name on Linux; any that owns nothing, and that this process is not in, will do. */
export const NOBODY = 65_534;

/** Serves until the test is over, by default with "answered". */
export async function listening(options: Partial<ServeOptions>): Promise<FastCgiListener> {
  const server = await serve({ fetch: () => new Response("answered"), ...options });
  onTestFinished(() => server.close());
  return server;
}

/** What an application answers. */
export async function textFrom(connector: FastCgiHttpConnector): Promise<string> {
  return (await new FastCgiHttpClient(connector).fetch("http://localhost/path")).text();
}

/** What the application on a Unix socket answers. */
export function answerAt(path: string): Promise<string> {
  return textFrom(new FastCgiUnixConnector(path));
}
