import "reflect-metadata";
import { Readable } from "node:stream";
import {
  Controller,
  Get,
  Header,
  HttpCode,
  Module,
  Post,
  Redirect,
  Req,
  Res,
  Sse,
  StreamableFile,
  UseInterceptors,
} from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { AnyFilesInterceptor } from "@nestjs/platform-express";
import compression from "compression";
import { Observable } from "rxjs";
import { broken, digestOf, leave, left, longText } from "./battery.js";
import { heldStream, later, page, release } from "./parts.js";

class Shop {
  page() {
    return page;
  }
  item(req) {
    return { id: req.params.id, q: req.query.q ?? null };
  }
  echo(req, res) {
    res.type(req.headers["content-type"]).send(req.body);
  }
  form({ body, files = [] }) {
    return [
      ...Object.entries(body),
      ...files.map(({ fieldname, originalname, mimetype, size }) => [
        fieldname,
        { name: originalname, type: mimetype, size },
      ]),
    ];
  }
  old() {}
  cookies(req, res) {
    res.cookie("theme", "dark", { sameSite: "lax" }).cookie("lang", "de, en", { httpOnly: true });
    res.json({ sent: req.headers.cookie });
  }
  throws() {
    throw new Error("out of bread");
  }
  stream() {
    return new StreamableFile(Readable.fromWeb(heldStream()), { type: "text/plain" });
  }
  release() {
    release();
    return "released";
  }
  address(req) {
    return req.ip;
  }
  later(req, res) {
    // Not by `send`, whose ETag says once more what may differ.
    res.type("text").end(later(req.socket.fastcgi?.waitUntil));
  }
  url(req, res) {
    res.type("text").end(`${req.protocol}://${req.get("host")}${req.originalUrl}`);
  }
  hints(_req, res) {
    res.writeEarlyHints({ link: "</style.css>; rel=preload; as=style" });
    res.send("hinted");
  }
  long() {
    return longText;
  }
  breaks() {
    return new StreamableFile(Readable.from(broken()), { type: "text/plain" });
  }
  digest(req) {
    return digestOf(req);
  }
  events() {
    return new Observable((subscriber) => {
      subscriber.next({ data: "1" });
      return leave;
    });
  }
  left(req) {
    return left(req.params.count);
  }
  number(req) {
    return req.params.number;
  }
}

/** What TypeScript makes of decorators. */
function decorate(name, ...decorators) {
  const method = Object.getOwnPropertyDescriptor(Shop.prototype, name);
  for (const decorator of decorators) decorator(Shop.prototype, name, method);
  Reflect.defineMetadata("design:paramtypes", [Object, Object], Shop.prototype, name);
  if (method.value.length > 0) Req()(Shop.prototype, name, 0);
  if (method.value.length > 1) Res()(Shop.prototype, name, 1);
}

decorate("page", Get("/"), Header("content-type", "text/html;charset=utf-8"));
decorate("item", Get("/items/:id"));
decorate("echo", Post("/echo"));
decorate("form", Post("/form"), HttpCode(200), UseInterceptors(AnyFilesInterceptor()));
decorate("old", Get("/old"), Redirect("/items/1"));
decorate("cookies", Get("/cookies"));
decorate("throws", Get("/throws"));
decorate("stream", Get("/stream"));
decorate("release", Get("/release"));
decorate("address", Get("/address"));
decorate("later", Get("/later"));
decorate("url", Get("/url"));
decorate("hints", Get("/hints"));
decorate("long", Get("/long"), Header("content-type", "text/plain"));
decorate("breaks", Get("/breaks"));
decorate("digest", Post("/digest"));
decorate("events", Sse("/events"));
decorate("left", Get("/left/:count"));
decorate("number", Get("/number/:number"));
Controller()(Shop);

class Site {}
Module({ controllers: [Shop] })(Site);

export const app = await NestFactory.create(Site, { logger: false });
app.use("/long", compression());
app.useBodyParser("text", { type: "text/x-bread" });
app.useStaticAssets("public");
