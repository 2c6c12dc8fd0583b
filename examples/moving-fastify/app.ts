// A Fastify application that knows nothing of FastCGI.

import { Readable } from "node:stream";
import fastify, { type FastifyInstance } from "fastify";

export const app: FastifyInstance = fastify({ bodyLimit: 100 * 1024 });

app.get("/", (_request, reply) => reply.type("text/html").send("<!doctype html><title>Shop</title><p>Grüße"));
app.get("/seen", (request) => {
  const { method, url, query, ip, protocol, host, hostname } = request;
  return { method, url, query, ip, protocol, host, hostname, own: request.headers["x-own"] };
});
app.post("/json", (request, reply) => reply.status(201).send({ got: request.body }));
app.get("/cookies", (_request, reply) => reply.header("set-cookie", ["a=1", "b=2"]).send({ ok: true }));
app.get("/away", (_request, reply) => reply.redirect("/"));
app.get("/stream", (_request, reply) => reply.type("text/plain").send(Readable.from(["one ", "two ", "three\n"])));
app.get("/item/:id", {
  schema: { params: { type: "object", properties: { id: { type: "integer" } } } },
  handler: (request) => request.params,
});
app.get("/nothing", (_request, reply) => reply.status(204).send());
app.get("/throws", () => {
  throw new Error("thrown on purpose");
});
