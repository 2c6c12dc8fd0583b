/** Runtimes with an adapter for both halves. */
export type RuntimeName = "node" | "bun" | "deno";

/** What such an adapter offers: the same on each. */
export type Adapter = typeof import("../../../../adapters/node/index.ts");

/** The adapter of the runtime that runs this. */
export function adapterOf(name: RuntimeName): Promise<Adapter> {
  return import(`../../../../adapters/${name}/index.ts`);
}
