import { serve } from "fetchcgi/node";
import { createRequestHandler, RouterContextProvider } from "react-router";
import * as build from "./build/server/index.js";
import { closeAtSigterm } from "./stop.js";

const path = process.env.SOCKET;
const handle = createRequestHandler(build, "production");

const server = await serve({
  path,
  fetch: (request, context) => handle(request, Object.assign(new RouterContextProvider(), { fastCgi: context })),
});
closeAtSigterm(server);
