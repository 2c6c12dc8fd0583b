// An application that takes (req, res): on our server, or on node:http. listener_server.mjs APPLICATION [FOLDER] ADDRESS, where FOLDER
// holds the built library.
import { createServer } from "node:http";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { HELLO } from "./answers.mjs";
import { ready } from "./ready.mjs";

const [application, ...rest] = process.argv.slice(2);
const path = rest.pop();
const [folder] = rest;

const listeners = {
  bare: () => (_req, res) => {
    res.setHeader("content-type", "text/plain");
    res.end(HELLO);
  },
  async Express() {
    const { default: express } = await import("express");
    return express().get("/", (_req, res) => res.type("text/plain").send(HELLO));
  },
};
const listener = await listeners[application]();

if (folder === undefined) {
  createServer(listener).listen(path, ready);
} else {
  const { serve } = await import(pathToFileURL(join(folder, "node.js")).href);
  // What node:http has no limit for.
  const limits = {
    maxConnections: Number.POSITIVE_INFINITY,
    maxRequestsPerConnection: Number.POSITIVE_INFINITY,
  };
  await serve({ path, listener, ...limits });
  ready();
}
