import { once } from "node:events";
import { renameSync } from "node:fs";
import { createServer } from "node:net";

/** Makes the file of a socket that no process listens on, as a process leaves it that was killed. */
export async function makeStaleSocket(path: string): Promise<void> {
  const server = createServer();
  // Node removes the file by the name that it was made with.
  await once(server.listen(`${path}-`), "listening");
  renameSync(`${path}-`, path);
  server.close();
  await once(server, "close");
}
