import type { Answer } from "./application.ts";

/** The answer of this example's application: a line about the request, and its body, which streams through. */
export const answer: Answer = ({ params, stdin }) => ({
  stdout: [
    "Content-Type: text/plain; charset=utf-8\r\n\r\n",
    `${params.get("REQUEST_METHOD")} ${params.get("REQUEST_URI")}\n`,
    stdin,
  ],
});
