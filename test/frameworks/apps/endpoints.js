// The endpoints of the apps whose framework has a route for all paths that no other route has: a Request in, a Response out.

import { fieldsOf, heldStream, later, release } from "./parts.js";

/**
 * @param waitUntil That of the framework or its server; undefined where there is none.
 * @returns null where there is none.
 */
export async function endpoint(request, addressOf, waitUntil) {
  const { pathname, searchParams } = new URL(request.url);
  const [, first, ...rest] = pathname.split("/");
  switch (`${request.method} /${first}`) {
    case "GET /items":
      return Response.json({ id: decodeURIComponent(rest[0]), q: searchParams.get("q") });
    case "POST /echo":
      return new Response(request.body, { headers: { "content-type": request.headers.get("content-type") } });
    case "POST /form":
      return Response.json(fieldsOf(await request.formData()));
    case "GET /old":
      return new Response(null, { status: 302, headers: { location: "/items/1" } });
    case "GET /cookies": {
      const headers = new Headers();
      headers.append("set-cookie", "theme=dark; Path=/; Max-Age=3600");
      headers.append("set-cookie", "lang=de%2C%20en; HttpOnly");
      return new Response(request.headers.get("cookie"), { headers });
    }
    case "GET /throws":
      throw new Error("out of bread");
    case "GET /stream":
      return new Response(heldStream(), { headers: { "content-type": "text/plain" } });
    case "GET /release":
      release();
      return new Response("released");
    case "GET /address":
      return new Response(addressOf());
    case "GET /later":
      return new Response(later(waitUntil));
    case "GET /url":
      return new Response(request.url);
    default:
      return null;
  }
}
