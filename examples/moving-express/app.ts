// An Express application that knows nothing of FastCGI.

import { createHash } from "node:crypto";
import { fileURLToPath } from "node:url";
import compression from "compression";
import express, { type ErrorRequestHandler, type Express } from "express";

export const app: Express = express();

app.set("trust proxy", false);
app.use("/compressed", compression({ threshold: 0 }));
app.use("/static", express.static(fileURLToPath(new URL("public", import.meta.url))));

app.get("/", (_req, res) => res.send("<!doctype html><title>Shop</title><p>Grüße"));

// What a handler sees of a request.
app.all("/seen{/*path}", (req, res) => {
  const { method, url, path, query, ip, protocol, secure, hostname, httpVersion } = req;
  const own = req.get("X-Own");
  const { remoteAddress, remoteFamily, localAddress } = req.socket;
  res.json({
    method,
    url,
    path,
    query,
    ip,
    protocol,
    secure,
    hostname,
    httpVersion,
    own,
    remoteAddress,
    remoteFamily,
    localAddress,
  });
});

// Bodies.
app.post("/json", express.json({ limit: "100kb" }), (req, res) => res.status(201).json({ got: req.body }));
app.post("/form", express.urlencoded({ extended: true }), (req, res) => res.json({ got: req.body }));
app.post("/text", express.text(), (req, res) => res.type("text/plain").send(`${req.body}!`));
app.all("/sum", (req, res, next) => {
  const hash = createHash("sha256");
  let bytes = 0;
  req.on("error", next);
  req.on("data", (piece: Buffer) => {
    bytes += piece.length;
    hash.update(piece);
  });
  req.on("end", () => res.json({ bytes, sum: hash.digest("hex") }));
});
app.post("/unread", (_req, res) => res.status(413).send("Too large\n"));

// Answers.
app.get("/cookies", (req, res) => {
  res.cookie("theme", "dark", { httpOnly: true }).cookie("lang", "ü", { sameSite: "lax" });
  res.clearCookie("old").json({ sent: req.headers.cookie ?? null });
});
app.get("/away", (_req, res) => res.redirect("/"));
app.get("/old", (_req, res) => res.redirect(301, "https://other.example/x?y=1"));
app.get("/reason", (_req, res) => {
  res.statusMessage = "Brewing";
  res.status(418).end();
});
app.get("/nothing", (_req, res) => res.status(204).end());
app.get("/file", (_req, res) => res.sendFile(fileURLToPath(new URL("public/letters.txt", import.meta.url))));
app.get("/download", (_req, res) =>
  res.download(fileURLToPath(new URL("public/letters.txt", import.meta.url)), "Brötchen.txt"),
);
app.get("/big", (req, res) => {
  const bytes = Number(req.query.bytes);
  res.type("application/octet-stream");
  if (req.query.length !== undefined) res.set("Content-Length", String(bytes));
  let left = bytes;
  const more = (): void => {
    while (left > 0) {
      const piece = Buffer.alloc(Math.min(left, 64 * 1024), "abcdefgh");
      left -= piece.length;
      if (!res.write(piece)) return void res.once("drain", more);
    }
    res.end();
  };
  more();
});
app.get("/events", (_req, res) => {
  res.set({ "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
  let count = 0;
  const timer = setInterval(() => {
    res.write(`data: ${++count}\n\n`);
    if (count === 3) res.end();
  }, 5);
  res.on("close", () => clearInterval(timer));
});
app.get("/trailers", (_req, res) => {
  res.set({ "Content-Type": "text/plain", Trailer: "X-Sum" });
  res.write("body\n");
  res.addTrailers({ "X-Sum": "1" });
  res.end();
});
app.get("/compressed/text", (_req, res) => res.type("text/plain").send("word ".repeat(20_000)));
app.get("/bytes", (_req, res) => res.end(Buffer.from([0, 1, 254, 255])));
app.get("/untyped", (_req, res) => res.end("plain words\n"));

// Failures.
app.get("/throws", () => {
  throw new Error("thrown on purpose");
});
app.get("/rejects", async () => {
  throw Object.assign(new Error("rejected on purpose"), { status: 503 });
});
app.get("/breaks", (_req, res) => {
  res.type("text/plain").write("the start\n", () => res.destroy());
});

const onError: ErrorRequestHandler = (error, _req, res, next) => {
  if (res.headersSent) return next(error);
  res.status(error.status ?? 500).json({ error: error.message });
};
app.use(onError);
