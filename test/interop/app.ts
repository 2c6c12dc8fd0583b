import { createHash } from "node:crypto";
import type { FastCgiContext, FastCgiFetchHandler, FastCgiRequest } from "../../adapters/node/index.ts";
import { bodyOf } from "../support/body_of.ts";
import { patternChunks } from "../support/pattern.ts";

/** How the application saw a request: the answer of `/echo`. Strings have one character per byte where Fetch has them so. */
export interface Echo {
  readonly method: string;
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly params: Readonly<Record<string, string>>;
  readonly body: string;
}

/** What became of a request body: the answer of `/digest`. */
export interface Digest {
  readonly bytes: number;
  readonly sha256: string;
  readonly contentLength: string | null;
}

/** Prefixes of nginx's locations, which are no part of the application's routes. */
const LOCATIONS = /^\/(?:unbuffered|limited|php)(?=\/)/;

/** The application that the tests put behind a web server: fixed routes, and others that a test has for itself. */
export class InteropApp {
  readonly #errors: { readonly error: unknown; readonly uri: string | undefined }[] = [];
  readonly #own = new Map<string, FastCgiFetchHandler>();

  readonly onError = (error: unknown, request?: FastCgiRequest): void => {
    this.#errors.push({ error, uri: request?.params.get("REQUEST_URI") });
  };

  /** What `onError` was told of the requests for a path, oldest first. */
  errorsOf(path: string): unknown[] {
    return this.#errors.flatMap(({ error, uri }) => (uri?.split("?")[0] === path ? [error] : []));
  }

  /** Answers a path with a handler of its own. Returns the path, which no other test uses. */
  route(handler: FastCgiFetchHandler): string {
    const path = `/own/${this.#own.size + 1}`;
    this.#own.set(path, handler);
    return path;
  }

  readonly fetch = async (request: Request, context: FastCgiContext): Promise<Response> => {
    const url = new URL(request.url);
    const path = url.pathname.replace(LOCATIONS, "");
    const own = this.#own.get(path);
    if (own !== undefined) return own(request, context);
    const [, name = "", argument = ""] = path.split("/");
    switch (name) {
      case "echo":
        return echo(request, context);
      case "digest":
        return Response.json(await digest(request));
      case "status":
        return status(Number(argument));
      case "redirect":
        return new Response(null, { status: 302, headers: { location: "http://example.test/elsewhere?x=1" } });
      case "cookies":
        return cookies(request);
      case "bytes": {
        // The header as it came, byte by byte, and a value that is not ASCII.
        const headers = { "x-bytes": request.headers.get("x-bytes") ?? "", "x-latin": "caf\xe9 \x80\xff" };
        return new Response(null, { headers });
      }
      case "big":
        return big(Number(argument), url.searchParams.has("length"));
      case "early":
        return new Response("no, thank you\n", { status: 403 });
      case "throw":
        throw new Error(`thrown for ${argument}`);
      default:
        return new Response("not found\n", { status: 404 });
    }
  };
}

async function echo(request: Request, context: FastCgiContext): Promise<Response> {
  const seen: Echo = {
    method: request.method,
    url: request.url,
    headers: Object.fromEntries(request.headers),
    params: Object.fromEntries(context.params),
    body: await request.text(),
  };
  return Response.json(seen, { headers: { "x-answer": "echo" } });
}

async function digest(request: Request): Promise<Digest> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const piece of request.body ?? []) {
    bytes += piece.length;
    hash.update(piece);
  }
  return { bytes, sha256: hash.digest("hex"), contentLength: request.headers.get("content-length") };
}

function status(code: number): Response {
  const hasBody = code !== 204 && code !== 304;
  return new Response(hasBody ? `status ${code}\n` : null, { status: code, statusText: `Status ${code}` });
}

function cookies(request: Request): Response {
  const headers = new Headers({ "content-type": "text/plain" });
  headers.append("set-cookie", "first=1; Path=/");
  headers.append("set-cookie", "second=a, b; HttpOnly");
  headers.append("set-cookie", "third=3; Expires=Tue, 01 Jan 2030 00:00:00 GMT");
  return new Response(request.headers.get("cookie"), { headers });
}

function big(bytes: number, withLength: boolean): Response {
  const headers: HeadersInit = withLength ? { "content-length": String(bytes) } : {};
  return new Response(bodyOf(patternChunks(bytes)), { headers });
}
