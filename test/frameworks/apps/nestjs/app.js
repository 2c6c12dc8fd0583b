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
  StreamableFile,
  UseInterceptors,
} from "@nestjs/common";
import { NestFactory } from "@nestjs/core";
import { AnyFilesInterceptor } from "@nestjs/platform-express";
import { heldStream, page, release } from "./parts.js";

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
    res.cookie("theme", "dark", { maxAge: 3_600_000, path: "/" }).cookie("lang", "de, en", { httpOnly: true });
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
  url(req, res) {
    // Not by `send`, whose ETag depends on the scheme.
    res.type("text").end(`${req.protocol}://${req.get("host")}${req.originalUrl}`);
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
decorate("url", Get("/url"));
Controller()(Shop);

class Site {}
Module({ controllers: [Shop] })(Site);

export const app = await NestFactory.create(Site, { logger: false });
app.useBodyParser("text", { type: "text/x-bread" });
app.useStaticAssets("public");
