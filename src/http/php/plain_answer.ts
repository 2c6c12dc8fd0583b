import { reasonPhrase } from "../../cgi/reason_phrase.ts";

/** A Response with its reason phrase as text. After HEAD it has no body. */
export function plainAnswer(status: number, method: string, headers: Readonly<Record<string, string>> = {}): Response {
  const body = method === "HEAD" ? null : `${reasonPhrase(status)}\n`;
  return new Response(body, { status, headers: { ...headers, "content-type": "text/plain;charset=UTF-8" } });
}
