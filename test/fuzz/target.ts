// Runs a target on inputs that a seed decides, and says how a failing one is replayed.

import fc from "fast-check";

/** Something that is fuzzed: inputs, and what is done with one. */
export interface Target<Input = unknown> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<Input>;
  /** Rejects if a rule was broken. */
  run(input: Input): Promise<void>;
}

/** Where a run begins. */
export interface Start {
  readonly seed: number;
  /** Leads to one input, as fast-check has it; it is shrunk no further. */
  readonly path?: string | undefined;
}

/** How the runtime is asked for that this runs on. */
const RUNTIME = "Bun" in globalThis ? " --runtime bun" : "Deno" in globalThis ? " --runtime deno" : "";

/** Runs a target on `count` inputs. Null when all went well; else a report with the smallest input found and the line that replays it. */
export async function fuzz<Input>(target: Target<Input>, count: number, { seed, path }: Start): Promise<string | null> {
  const property = fc.asyncProperty(target.inputs, (input) => target.run(input));
  const result = await fc.check(property, {
    seed,
    numRuns: count,
    ...(path !== undefined && { path, endOnFailure: true }),
  });
  if (!result.failed) return null;
  const error = result.errorInstance;
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const place = result.counterexamplePath ?? "0";
  return [
    `${target.name} broke a rule with seed ${seed}, after ${result.numRuns} inputs and ${result.numShrinks} steps of shrinking:`,
    reason,
    fc.stringify(result.counterexample?.[0]),
    `Replay it: npm run fuzz -- --target ${target.name} --seed ${seed} --path ${place}${RUNTIME}`,
  ].join("\n");
}
