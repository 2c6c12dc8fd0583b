// A srvx app that knows nothing of FastCGI: what `srvx` takes, with middleware and what srvx adds to a Request.

import { FastResponse, type ServerMiddleware, type ServerOptions, type ServerRequest } from "srvx";

const finished = new Set<string>();

/** Adds the client's address to every answer. */
const stamp: ServerMiddleware = async (request, next) => {
  const response = await next();
  response.headers.set("x-asked-by", `${request.ip} with ${request.method}`);
  return response;
};

const locked: ServerMiddleware = (request, next) => {
  if (!new URL(request.url).pathname.startsWith("/private/") || request.headers.get("x-key") === "open") return next();
  return new Response("locked\n", { status: 403 });
};

async function fetch(request: ServerRequest): Promise<Response> {
  const { pathname, searchParams } = new URL(request.url);
  switch (pathname) {
    case "/":
      return new Response("<p>home", { headers: { "content-type": "text/html; charset=utf-8" } });
    case "/seen":
      return Response.json({ method: request.method, url: request.url, ip: request.ip });
    case "/private/page":
      return new Response("welcome\n");
    case "/echo":
      return new Response(request.body, {
        headers: { "content-type": request.headers.get("content-type") ?? "application/x-bread" },
      });
    case "/form":
      return Response.json([...(await request.formData())]);
    case "/later":
      request.waitUntil?.(Promise.resolve(searchParams.get("note")).then((note) => finished.add(String(note))));
      return new Response("noted\n", { status: 202 });
    case "/finished":
      return Response.json([...finished]);
    case "/fast":
      return new FastResponse("fast\n", { headers: { "x-fast": "yes" } });
    case "/gone":
      return new Response(null, { status: 204 });
    case "/moved":
      return new Response(null, { status: 307, headers: { location: "/seen?moved=1" } });
    case "/throws":
      throw new RangeError("out of bread");
    default:
      return new Response("not found\n", { status: 404 });
  }
}

export const app: ServerOptions = {
  fetch,
  middleware: [stamp, locked],
  error: (error) => new Response(`sorry: ${(error as Error).message}\n`, { status: 500 }),
};
