import { fetchRequestHandler } from "@trpc/server/adapters/fetch";
import { serve } from "fetchcgi/node";
import { router } from "./app.js";

const path = process.env.SOCKET;
const endpoint = "";

await serve({
  path,
  fetch(req, { params }) {
    const createContext = () => ({ address: params.get("REMOTE_ADDR") });
    return fetchRequestHandler({ req, router, endpoint, createContext });
  },
});
