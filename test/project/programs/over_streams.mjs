// Imports the core as a user does, and sends a request through a client and a server that two streams connect.
import { FastCgiHttpClient, FastCgiHttpService, FastCgiServer } from "fetchcgi/toolkit";

/** What is served, and asked below. */
export const fetch = async (request) =>
  Response.json([request.method, new URL(request.url).pathname, await request.text()]);

export async function ask(client) {
  const response = await client.fetch("http://a.test/path", { method: "POST", body: "body" });
  return [response.status, ...(await response.json())];
}

export async function askOverStreams() {
  const server = new FastCgiServer(new FastCgiHttpService(fetch).handler);
  const client = new FastCgiHttpClient({
    connect: async () => {
      const [there, back] = [new TransformStream(), new TransformStream()];
      void server.serve({ readable: there.readable, writable: back.writable, close() {} });
      return { readable: back.readable, writable: there.writable, close() {} };
    },
  });
  return ask(client);
}
