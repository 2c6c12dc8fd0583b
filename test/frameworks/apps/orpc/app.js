import { ORPCError, os } from "@orpc/server";
import { heldStream, release } from "./parts.js";

/** Its procedures get `{ address }` as their context. */
export const router = {
  item: os.route({ method: "GET" }).handler(({ input }) => ({ id: input, name: "Käse" })),
  add: os.handler(({ input }) => ({ added: input })),
  missing: os.handler(() => {
    throw new ORPCError("NOT_FOUND", { message: "no such bread" });
  }),
  throws: os.handler(() => {
    throw new Error("out of bread");
  }),
  lines: os.handler(async function* () {
    for await (const bytes of heldStream()) yield new TextDecoder().decode(bytes);
  }),
  release: os.handler(() => release()),
  address: os.handler(({ context }) => context.address),
};
