import { afterEach } from "vitest";

/** What of a client is needed to close it. */
interface Closable {
  close(options: { timeout: number }): Promise<void>;
}

/** For the top of a test file. The clients that the returned function gets are closed after each test, with whatever still runs. */
export function closingClients(): <Client extends Closable>(client: Client) => Client {
  const clients: Closable[] = [];
  afterEach(async () => {
    await Promise.all(clients.splice(0).map((client) => client.close({ timeout: 1 })));
  });
  return (client) => {
    clients.push(client);
    return client;
  };
}
