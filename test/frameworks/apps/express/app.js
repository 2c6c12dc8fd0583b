import { Readable } from "node:stream";
import compression from "compression";
import express from "express";
import { digestOf, formOf, leave, left, longText } from "./battery.js";
import { fieldsOf, heldStream, later, page, release, released } from "./parts.js";

export const app = express();

app.get("/", (_req, res) => res.type("html").send(page));
app.get("/items/:id", (req, res) => res.json({ id: req.params.id, q: req.query.q }));
app.post("/echo", express.text({ type: "text/x-bread" }), (req, res) => res.type("text/x-bread").send(req.body));
app.post("/form", async (req, res) => res.json(fieldsOf(await formOf(req, req.get("content-type")))));
app.get("/old", (_req, res) => res.redirect("/items/1"));
app.get("/cookies", (req, res) => {
  res.cookie("theme", "dark", { sameSite: "lax" }).cookie("lang", "de, en", { httpOnly: true });
  res.json({ sent: req.headers.cookie });
});
app.get("/throws", () => {
  throw new Error("out of bread");
});
app.get("/stream", (_req, res) => Readable.fromWeb(heldStream()).pipe(res.type("text")));
app.get("/release", (_req, res) => {
  release();
  res.send("released");
});
app.get("/address", (req, res) => res.send(req.ip));
// Not by `send`, whose ETag says once more what may differ.
app.get("/later", (req, res) => res.type("text").end(later(req.socket.fastcgi?.waitUntil)));
app.get("/url", (req, res) => res.type("text").end(`${req.protocol}://${req.get("host")}${req.originalUrl}`));
app.use(express.static("public"));

app.get("/hints", (_req, res) => {
  res.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
  res.send("hinted");
});
app.get("/long", compression(), (_req, res) => res.type("text").send(longText));
app.get("/breaks", async (_req, res) => {
  res.type("text").write("one\n");
  await released();
  throw new Error("out of bread");
});
app.post("/digest", async (req, res) => res.json(await digestOf(req)));
app.get("/events", (_req, res) => {
  res.on("close", leave);
  res.type("text/event-stream").write("data: 1\n\n");
});
app.get("/left/:count", async (req, res) => res.send(await left(req.params.count)));
app.get("/number/:number", (req, res) => res.send(req.params.number));
