// An application whose responses begin, and then do not come to their end: for each way in which that can happen.

import type { FastCgiFetchHandler, ServeOptions } from "../../../adapters/node/index.ts";
import { bodyOf } from "../body_of.ts";
import { patternBytes, patternChunks } from "../pattern.ts";
import type { Stage } from "./control.ts";

/** What is sent before anything happens: more than any web server waits for before it passes a response on. */
export const BEGINNING = 512 * 1024;

/** Of a response that no client reads: more than all that lies between it and the application holds. */
export const MUCH = 48 * 1024 * 1024;

/** The timeouts of the application, in milliseconds. */
export const timeouts = Object.freeze({ writeTimeout: 1_000, readTimeout: 1_000 });

/** What `serve` gets. */
export function endingApplication(stage: Stage): Pick<ServeOptions, "fetch" | "onError"> & typeof timeouts {
  return { ...timeouts, fetch: handler(stage), onError: () => {} };
}

/** `/fails/key`, `/holds/key`, `/floods/key` and `/reads/key`, each with `?length` for a Content-Length. */
function handler(stage: Stage): FastCgiFetchHandler {
  return (request) => {
    const { pathname, search } = new URL(request.url);
    const [, way = "", key = ""] = pathname.split("/");
    request.signal.addEventListener("abort", () => stage.tell(`${key}:over`));
    const total = way === "floods" ? MUCH : BEGINNING + 1000;
    return new Response(bodyOf(pieces(way, key, request, stage)), {
      headers: search === "?length" ? { "content-length": String(total) } : {},
    });
  };
}

async function* pieces(
  way: string,
  key: string,
  request: Request,
  stage: Stage,
): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  if (way === "floods") {
    stage.tell(`${key}:begun`);
    yield* patternChunks(MUCH);
    stage.tell(`${key}:over`);
    return;
  }
  yield patternBytes(BEGINNING);
  stage.tell(`${key}:begun`);
  try {
    // An upload that stalls fails by itself.
    if (way === "reads") for await (const _ of request.body!);
    await stage.gate(key);
    throw new Error("broken half way");
  } finally {
    stage.tell(`${key}:over`);
  }
}
