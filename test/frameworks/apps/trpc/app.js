import { initTRPC, TRPCError } from "@trpc/server";
import { heldStream, release } from "./parts.js";

const t = initTRPC.context().create();
const anything = (input) => input;

/** Its procedures get `{ address, resHeaders }` as their context. */
export const router = t.router({
  item: t.procedure.input(anything).query(({ input }) => ({ id: input, name: "Käse" })),
  add: t.procedure.input(anything).mutation(({ input }) => ({ added: input })),
  form: t.procedure.input(anything).mutation(({ input }) => [...input]),
  missing: t.procedure.query(() => {
    throw new TRPCError({ code: "NOT_FOUND", message: "no such bread" });
  }),
  throws: t.procedure.query(() => {
    throw new Error("out of bread");
  }),
  lines: t.procedure.subscription(async function* () {
    for await (const bytes of heldStream()) yield new TextDecoder().decode(bytes);
  }),
  release: t.procedure.query(() => release()),
  address: t.procedure.query(({ ctx }) => ctx.address),
});
