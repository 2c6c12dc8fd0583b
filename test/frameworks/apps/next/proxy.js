import { NextResponse } from "next/server";

// Next keeps what it has asked about in memory, and no more than 10 MiB of it.
export const config = { matcher: "/((?!digest).*)" };

/** What Next asks before all routes. */
export function proxy(request) {
  if (request.nextUrl.pathname === "/former") return NextResponse.redirect(new URL("/items/1", request.url), 308);
  return NextResponse.next({ headers: { "x-seen-by": "proxy" } });
}
