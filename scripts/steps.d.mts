export interface Step {
  readonly title: string;
  /** Resolves to an exit code; anything else is success. What it throws is printed. */
  run(): Promise<unknown>;
}

export function runSteps(steps: readonly Step[]): Promise<number>;
