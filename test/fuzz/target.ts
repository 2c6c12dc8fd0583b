// Runs a target on inputs that a seed decides, and says how a failing one is replayed.

import fc from "fast-check";

/** Something that is fuzzed: inputs, and what is done with one. */
export interface Target<Input = unknown> {
  readonly name: string;
  readonly inputs: fc.Arbitrary<Input>;
  /**
   * Inputs in a row from one seed. The next ones have the next seed.
   *
   * @default {200}
   */
  readonly batch?: number;
  /** Whether {@linkcode Target.run} returns no promise. */
  readonly isSync?: boolean;
  /** Throws, or rejects, if a rule was broken. */
  run(input: Input): Promise<void> | void;
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
  const parameters = { seed, numRuns: count, ...(path !== undefined && { path, endOnFailure: true }) };
  // A promise for each input would cost more than a small one does.
  const result = target.isSync
    ? fc.check(
        fc.property(target.inputs, (input) => void target.run(input)),
        parameters,
      )
    : await fc.check(
        fc.asyncProperty(target.inputs, async (input) => target.run(input)),
        parameters,
      );
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
