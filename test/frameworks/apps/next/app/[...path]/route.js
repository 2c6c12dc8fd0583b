import { notFound } from "next/navigation";
import { after } from "next/server";
import { broken, digestOf, leave, left, longText } from "../../battery.js";
import { endpoint } from "../../endpoints.js";
import { heldStream } from "../../parts.js";

async function answer(request) {
  const { headers, nextUrl } = request;
  // Next's own words for where a request came from: its URLs have the address at which it listens.
  const [address, scheme, host] = ["for", "proto", "host"].map((name) => headers.get(`x-forwarded-${name}`));
  const [, first, second] = nextUrl.pathname.split("/");
  switch (first) {
    case "url":
      return new Response(`${scheme}://${host}${nextUrl.pathname}${nextUrl.search}`);
    case "long":
      return new Response(longText, { headers: { "content-type": "text/plain" } });
    case "breaks":
      return new Response(ReadableStream.from(broken()), { headers: { "content-type": "text/plain" } });
    case "digest":
      return Response.json(await digestOf(request.body));
    case "events":
      request.signal.addEventListener("abort", leave);
      return new Response(heldStream(), { headers: { "content-type": "text/event-stream" } });
    case "left":
      return new Response(await left(Number(second)));
    case "number":
      return new Response(second);
    default:
      return (await endpoint(request, () => address, after)) ?? notFound();
  }
}

export { answer as GET, answer as POST };
