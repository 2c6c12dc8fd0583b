import { Readable } from "node:stream";
import compress from "@fastify/compress";
import files from "@fastify/static";
import fastify from "fastify";
import { broken, digestOf, formOf, leave, left, longText } from "./battery.js";
import { fieldsOf, heldStream, later, page, release } from "./parts.js";

export const app = fastify({ bodyLimit: 100 * 1024 * 1024 });

app.register(files, { root: `${import.meta.dirname}/public` });
await app.register(compress, { global: false });
// Bodies are read by the routes.
app.addContentTypeParser("*", (_request, body, done) => done(null, body));

app.get("/", (_request, reply) => reply.type("text/html").send(page));
app.get("/items/:id", ({ params, query }) => ({ id: params.id, q: query.q }));
app.post("/echo", ({ headers, body }, reply) => reply.type(headers["content-type"]).send(body));
app.post("/form", async ({ headers, body }) => fieldsOf(await formOf(body, headers["content-type"])));
app.get("/old", (_request, reply) => reply.redirect("/items/1"));
app.get("/cookies", ({ headers }, reply) =>
  reply.header("set-cookie", ["theme=dark; Path=/", "lang=de; HttpOnly"]).send({ sent: headers.cookie }),
);
app.get("/throws", () => {
  throw new Error("out of bread");
});
app.get("/stream", (_request, reply) => reply.type("text/plain").send(Readable.fromWeb(heldStream())));
app.get("/release", () => {
  release();
  return "released";
});
app.get("/address", ({ ip }) => ip);
app.get("/later", ({ raw }) => later(raw.socket.fastcgi?.waitUntil));
app.get("/url", ({ protocol, host, url }) => `${protocol}://${host}${url}`);

app.get("/hints", (_request, reply) => {
  reply.raw.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
  return "hinted";
});
app.get("/long", { compress: {} }, () => longText);
app.get("/breaks", (_request, reply) => reply.type("text/plain").send(Readable.from(broken())));
app.post("/digest", ({ body }) => digestOf(body));
app.get("/events", (_request, reply) => {
  reply.raw.on("close", leave);
  return reply.type("text/event-stream").send(Readable.fromWeb(heldStream()));
});
app.get("/left/:count", ({ params }) => left(params.count));
app.get("/number/:number", ({ params }) => params.number);
